"""The books on the real stack, while records go, the store goes, and the topics go."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from confluent_kafka import TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from feature_store.online import connect
from producer.partitioning import partition_of
from producer.records import actions_topic, decisions_topic, events_topic
from producer.topics import end_offsets
from scripts.stack.ports import free_ports
from scripts.stack.settings import ROOT
from tests.integration.agents import (
    PARTITIONS,
    Agent,
    publish,
    running,
    start_afresh,
)
from tests.stacks import Stack
from tests.topics import admin_client, read_topic

WITHIN_S = 90.0
CLIENTS = [f"198.51.100.{number}" for number in range(40)]


def event(client: str, event_id: str) -> tuple[str, bytes]:
    fields = {
        "event_id": event_id,
        "occurred_at": datetime.now(UTC).isoformat(),
        "client_ip": client,
        "method": "GET",
        "path": "/",
        "status": 200,
    }
    return client, json.dumps(fields).encode()


@dataclass(slots=True)
class Audited:
    """Agents on a stack, and `centinela audit` of it."""

    stack: Stack
    agents: list[Agent]
    sent: int = 0

    def send(self, name: str, events: int, client: str = "") -> None:
        publish(
            self.stack.kafka,
            [
                event(client or CLIENTS[number % len(CLIENTS)], f"{name}-{number}")
                for number in range(events)
            ],
        )
        self.sent += events

    def audit(self, *options: str) -> tuple[int, dict[str, Any]]:
        code, shown, said = self.run("audit", "-o", "json", *options)
        assert code in (0, 1), said
        return code, json.loads(shown)

    def run(self, *arguments: str) -> tuple[int, str, str]:
        environment = {
            **os.environ,
            "CENTINELA_KAFKA": self.stack.kafka,
            "CENTINELA_REDIS": self.stack.redis,
            "COLUMNS": "200",
        }
        command = [sys.executable, "-m", "scripts.cli", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
        )
        return done.returncode, done.stdout, done.stderr

    def settled(self, holds: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        """The account once nothing is pending and something holds."""
        deadline = time.monotonic() + WITHIN_S
        while True:
            _, told = self.audit()
            if told["totals"]["pending"] == 0 and holds(told):
                return told
            assert time.monotonic() < deadline, told
            time.sleep(0.5)

    def answers(self, name: str) -> list[dict[str, Any]]:
        """What was answered about the events of a name."""
        logs = read_topic(self.stack.kafka, actions_topic("access"))
        lines = [line for log in logs for record in log for line in record.value.split(b"\n")]
        decoded = [json.loads(line) for line in lines]
        found = [each for each in decoded if each["event_id"].startswith(f"{name}-")]
        # After a crash an answer may stand twice.
        return list({each["event_id"]: each for each in found[::-1]}.values())[::-1]

    def delete_before(self, topic: str, offsets: dict[int, int]) -> None:
        admin = admin_client(self.stack.kafka)
        places = [TopicPartition(topic, *place) for place in offsets.items()]
        for deleted in admin.delete_records(places).values():
            deleted.result(30)

    def flush(self) -> None:
        async def flush() -> None:
            redis = connect(self.stack.redis)
            await redis.flushall()
            await redis.aclose()

        asyncio.run(flush())


@pytest.fixture
def audited(stack: Stack, tmp_path: Path) -> Iterator[Audited]:
    start_afresh(stack)
    agents = [Agent("ingestion", stack, tmp_path), Agent("decision", stack, tmp_path)]
    with running(*agents):
        yield Audited(stack, agents)


@pytest.mark.timeout(300)
def test_the_books_balance_while_events_are_under_way_and_after(audited: Audited) -> None:
    audited.send("a", 6_000)
    code, under_way = audited.audit()
    told = audited.settled()
    shown_code, shown, _ = audited.run("audit")

    assert (code, under_way["is_right"]) == (0, True)
    assert told["is_right"], told["wrong"]
    assert told["totals"]["decided"] == told["totals"]["sent"] == 6_000
    assert shown_code == 0
    assert shown.splitlines()[-1] == "sent 6,000 = decided 6,000 + missing 0"


@pytest.mark.timeout(300)
def test_lost_records_are_told_and_answers_after_them_are_degraded(audited: Audited) -> None:
    client = CLIENTS[0]
    partition = partition_of(client, PARTITIONS)
    audited.send("before", 10, client)
    audited.settled()
    audited.agents[0].kill()
    audited.send("lost", 300, client)
    end = end_offsets(audited.stack.kafka, events_topic("access"))[partition]
    audited.delete_before(events_topic("access"), {partition: end})
    code, waiting = audited.audit()
    audited.send("after", 10, client)
    audited.agents[0].start()
    audited.agents[0].await_healthy()
    deadline = time.monotonic() + WITHIN_S
    while len(answers := audited.answers("after")) < 10:
        assert time.monotonic() < deadline
        time.sleep(0.3)
    noticed_code, noticed = audited.audit()

    assert (code, waiting["totals"]["lost_records"]) == (1, 2)
    assert (noticed_code, noticed["totals"]["lost_records"]) == (1, 2)
    assert noticed["totals"]["missing"] == 0
    assert noticed["wrong"] == []
    assert {each["action"] for each in answers} == {"alert"}
    assert all("records went before they were folded" in each["degraded"] for each in answers)
    assert "degraded" not in json.dumps(audited.answers("before"))
    assert audited.answers("lost") == []


@pytest.mark.timeout(300)
def test_an_emptied_redis_is_filled_from_the_log_and_degrades_where_that_is_short(
    audited: Audited,
) -> None:
    audited.send("a", 2_000)
    audited.settled()
    audited.flush()
    audited.send("b", 100)
    whole = audited.settled(lambda told: told["totals"]["sent"] == 2_100)
    ends = end_offsets(audited.stack.kafka, events_topic("access"))
    audited.delete_before(events_topic("access"), dict(ends))
    audited.flush()
    audited.send("c", 100)
    short = audited.settled(lambda told: told["totals"]["sent"] == 100)

    assert whole["is_right"], whole["wrong"]
    assert short["is_right"], short["wrong"]
    assert not any("degraded" in each for each in audited.answers("b"))
    answers = audited.answers("c")
    assert answers
    assert all("does not reach back" in each["degraded"] for each in answers)
    assert all(each["action"] == "alert" for each in answers)


@pytest.mark.timeout(300)
def test_trimmed_answers_are_told_and_a_journal_names_what_never_came(
    audited: Audited, tmp_path: Path
) -> None:
    audited.send("a", 2_000)
    audited.settled()
    for topic in (decisions_topic("access"), actions_topic("access")):
        ends = end_offsets(audited.stack.kafka, topic)
        audited.delete_before(topic, {partition: end - 1 for partition, end in ends.items()})
    journal = tmp_path / "sent.txt"
    journal.write_text("a-1999\nnever-1\n")
    code, told = audited.audit("--journal", str(journal))

    assert code == 1
    assert (told["totals"]["missing"], told["wrong"]) == (0, [])
    assert told["totals"]["answers_gone"] + told["totals"]["decided"] == 2_000
    assert 0 < told["totals"]["answers_gone"] < 2_000
    assert told["journal"]["missing"] == ["never-1"]
    assert (told["journal"]["ids"], told["journal"]["pending"]) == (2, [])


@pytest.mark.parametrize("setting", ["CENTINELA_KAFKA", "CENTINELA_REDIS"])
def test_a_server_that_does_not_answer_is_not_a_book_that_does_not_balance(
    stack: Stack, setting: str
) -> None:
    (port,) = free_ports(1)
    where = f"127.0.0.1:{port}" if setting == "CENTINELA_KAFKA" else f"redis://127.0.0.1:{port}/0"
    environment = {
        **os.environ,
        "CENTINELA_KAFKA": stack.kafka,
        "CENTINELA_REDIS": stack.redis,
        setting: where,
    }
    start_afresh(stack)
    command = [sys.executable, "-m", "scripts.cli", "audit"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 3, done.stderr
    assert done.stderr.startswith("centinela: ")


def figures(port: int, name: str, **labels: str) -> float:
    """The sum of a metric's samples with some labels."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        told = text_string_to_metric_families(answer.read().decode())
        return sum(
            sample.value
            for family in told
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


@dataclass(slots=True)
class Auditor:
    """The auditor's process, in haste."""

    stack: Stack
    folder: Path
    port: int = field(default_factory=lambda: free_ports(1)[0])

    @contextmanager
    def running(self) -> Iterator[None]:
        environment = {
            **os.environ,
            "CENTINELA_KAFKA": self.stack.kafka,
            "CENTINELA_REDIS": self.stack.redis,
            "CENTINELA_AUDITOR_PORT": str(self.port),
            "CENTINELA_CANARY_EVERY_S": "1",
            "CENTINELA_PARITY_EVERY_S": "0.5",
            "CENTINELA_AUDIT_EVERY_S": "2",
        }
        command = [sys.executable, "-m", "stream_agents.auditor"]
        with (self.folder / "auditor.log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield
            process.terminate()
            assert process.wait(30) == 0, (self.folder / "auditor.log").read_text()[-3000:]
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(10)

    def figure(self, name: str, **labels: str) -> float:
        return figures(self.port, name, **labels)

    def await_figure(self, name: str, least: float, **labels: str) -> None:
        deadline = time.monotonic() + WITHIN_S
        found = -1.0
        while found < least:
            log = (self.folder / "auditor.log").read_text()[-3000:]
            assert time.monotonic() < deadline, f"{name} is {found}: {log}"
            with suppress(OSError):
                found = self.figure(name, **labels)
            time.sleep(0.2)


@pytest.mark.timeout(300)
def test_the_auditor_sees_answers_decisions_and_books_and_an_agent_that_is_gone(
    audited: Audited, tmp_path: Path
) -> None:
    audited.send("a", 500)
    audited.settled()
    auditor = Auditor(audited.stack, tmp_path)
    with auditor.running():
        auditor.await_figure("centinela_canaries_total", 2 * PARTITIONS, result="answered")
        auditor.await_figure("centinela_parity_checked_total", 3)
        auditor.await_figure("centinela_audit_timestamp_seconds", 1)
        differing = auditor.figure("centinela_parity_differing_total")
        wrong = auditor.figure("centinela_audit_disagreements")
        failed = auditor.figure("centinela_canaries_total", result="failed")
        seconds = auditor.figure("centinela_canary_seconds_sum")
        audited.agents[1].kill()
        auditor.await_figure("centinela_canaries_total", PARTITIONS, result="failed")
        audited.agents[1].start()
        audited.agents[1].await_healthy()
        answered = auditor.figure("centinela_canaries_total", result="answered")
        auditor.await_figure("centinela_canaries_total", answered + PARTITIONS, result="answered")
    told = audited.settled()

    assert (differing, wrong, failed) == (0, 0, 0)
    assert 0 < seconds < 60
    assert told["is_right"], told["wrong"]
    answers = audited.answers("canary")
    assert {each["entity"] for each in answers} == {"203.0.113.254"}
    assert {each["action"] for each in answers} == {"allow"}
    assert told["totals"]["sent"] == 500 + len(answers)
