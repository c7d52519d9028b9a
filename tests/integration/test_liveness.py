"""An agent that stands still ends itself, is started again, and nothing is missing."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from feature_store.online import connect
from models.catalog import pack_named
from producer.records import actions_topic
from scripts.bench import load
from scripts.stack.ports import free_ports
from scripts.stack.processes import agents_and_api
from scripts.stack.settings import LocalStack
from scripts.stack.supervisor import Child, Supervisor
from tests.integration.agents import (
    first_copies,
    fold_from_nothing,
    publish,
    start_afresh,
)
from tests.stacks import Stack
from tests.topics import read_topic

EVENTS = 4_000
AWAY_MS = 12_000
STALLED = "ingestion ended with code 70; starting it again in 0.5 s"
FAILED = "ingestion ended with code 1; starting it again in 0.5 s"
EVENT = '{"occurred_at":"%s","client_ip":"203.0.113.9","method":"GET","path":"%s","status":200}'
NOON = "2026-03-01T12:00:00Z"
BROKEN = 60


class Supervised:
    """Both agents as `up` starts them, on a stack that is there."""

    def __init__(self, stack: Stack, home: Path) -> None:
        self.stack = stack
        self.said: list[str] = []
        ingestion_port, decision_port = free_ports(2)
        self._settings = LocalStack(
            home=home,
            kafka_port=int(stack.kafka.rpartition(":")[2]),
            redis_port=int(stack.redis.rpartition(":")[2].partition("/")[0]),
            ingestion_port=ingestion_port,
            decision_port=decision_port,
        )
        self.supervisor = Supervisor(self._settings.run, self.said.append)
        self.records = 0

    @property
    def children(self) -> tuple[Child, ...]:
        return agents_and_api(self._settings)[:2]

    def start(self, *children: Child) -> None:
        for child in children:
            self.supervisor.launch(child)
        self.supervisor.await_healthy()

    def log(self, name: str) -> str:
        return self._settings.log(name).read_text()

    def publish(self, lines: list[tuple[str, bytes]]) -> None:
        self.records += publish(self.stack.kafka, lines)

    def answers(self) -> list[bytes]:
        logs = read_topic(self.stack.kafka, actions_topic("access"))
        return sorted(first_copies(logs).values())

    def assert_all_answered(self) -> None:
        answered = self.supervisor.wait_until(lambda: len(self.answers()) == self.records, 90)

        assert answered, f"{len(self.answers())} of {self.records} answered; {self.said}"
        assert self.answers() == sorted(fold_from_nothing(self.stack.kafka).actions.values())


@pytest.fixture
def agents(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervised]:
    start_afresh(stack)
    monkeypatch.setenv("CENTINELA_STALLED_S", "8")
    supervised = Supervised(stack, tmp_path)
    yield supervised
    supervised.supervisor.stop()


def lines(seed: int) -> list[tuple[str, bytes]]:
    until = time.time_ns() // 1000
    pack = pack_named("access")
    return list(load.lines(pack, EVENTS, 100, is_flat=False, seed=seed, until_us=until))


async def pause(url: str, milliseconds: int) -> None:
    """Redis takes all commands and answers none for so long."""
    redis: Any = connect(url)
    await redis.client_pause(milliseconds, all=True)
    await redis.aclose()


@pytest.mark.timeout(300)
def test_an_agent_waits_for_a_store_that_is_silent(agents: Supervised) -> None:
    agents.start(*agents.children)
    agents.publish(lines(seed=31))
    asyncio.run(pause(agents.stack.redis, AWAY_MS))
    agents.publish(lines(seed=32))

    agents.assert_all_answered()
    assert agents.said == []


@pytest.mark.timeout(300)
def test_an_agent_whose_store_is_silent_beyond_its_deadline_ends_itself_and_starts_again(
    agents: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CENTINELA_DEADLINE_S", "3")
    agents.start(*agents.children)
    agents.publish(lines(seed=31))
    asyncio.run(pause(agents.stack.redis, AWAY_MS))
    agents.publish(lines(seed=32))

    assert agents.supervisor.wait_until(lambda: FAILED in agents.said, 60), agents.said
    agents.assert_all_answered()


@pytest.mark.timeout(300)
def test_an_agent_that_hangs_in_our_code_ends_itself_and_starts_again(
    agents: Supervised, tmp_path: Path
) -> None:
    ingestion, decision = agents.children
    module = (sys.executable, "-m", "tests.integration.hanging", str(tmp_path / "note"))
    agents.start(replace(ingestion, command=module), decision)
    events = lines(seed=33)
    agents.publish(events[: EVENTS // 2])
    agents.publish([("203.0.113.9", (EVENT % (NOON, "/hang")).encode())])
    agents.publish(events[EVENTS // 2 :])

    assert agents.supervisor.wait_until(lambda: STALLED in agents.said, 60), agents.said
    agents.assert_all_answered()


@pytest.mark.timeout(300)
def test_an_agent_that_looks_for_what_breaks_our_code_for_long_keeps_its_partitions(
    agents: Supervised,
) -> None:
    ingestion, decision = agents.children
    module = (sys.executable, "-m", "tests.integration.breaking")
    agents.start(replace(ingestion, command=module), decision)
    agents.publish(lines(seed=34))
    began = time.monotonic()
    agents.publish([("203.0.113.9", (EVENT % (NOON, "/break")).encode())] * BROKEN)
    agents.publish(lines(seed=35))

    agents.supervisor.wait_until(lambda: len(agents.answers()) == agents.records, 120)
    took_s = time.monotonic() - began
    answers = b"\n".join(agents.answers())

    assert took_s > 10, "the broker's patience was not put to the test"
    assert answers.count(b'"outcome":"dead"') == BROKEN
    assert answers.count(b"\n") + 1 == 2 * EVENTS + BROKEN
    assert agents.said == []
    assert agents.log("ingestion").count('"event":"assigned"') == 1
