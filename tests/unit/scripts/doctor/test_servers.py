"""What the doctor says about what runs: not running is not broken, unless it was started."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from models.errors import Unavailable
from producer.settings import Connections
from scripts.agents import CONTAINED, READY, SILENT, STARTING, AgentState
from scripts.doctor.finding import State
from scripts.doctor.ports import Held, port
from scripts.doctor.servers import agent_is, api, kafka, parts_of, topics
from scripts.doctor.store import Told, clock, redis, store, tell
from scripts.stack.ports import free_ports
from scripts.stack.settings import LocalStack
from tests.unit.scripts.test_cli import answering

TOPICS = {"events.access": 4, "decisions.access": 4, "actions.access": 4, "dead-letter": 1}
TOLD = Told("7.2.4", "noeviction", "yes", "ok", 0.0)


@pytest.mark.parametrize(
    ("held", "state"),
    [
        (None, State.OK),
        (Held("pid 7 (java)", "kafka", False), State.OK),
        (Held("pid 7 (docker-proxy)", None, True), State.OK),
        (Held("pid 7 (nginx)", None, False), State.FAILED),
    ],
    ids=["free", "ours", "answers as it should", "in the way"],
)
def test_a_port_is_free_ours_or_in_the_way(held: Held | None, state: State) -> None:
    found = port("kafka_port", "Kafka", 19092, held, 28111)

    assert found.state is state
    assert (found.repair == "CENTINELA_KAFKA_PORT=28111 make up") == (state is State.FAILED)


@pytest.mark.parametrize(("started", "state"), [(False, State.OFF), (True, State.FAILED)])
def test_a_broker_where_nobody_listens_is_broken_only_if_it_was_started(
    started: bool, state: State
) -> None:
    [found] = kafka(Connections(kafka=f"127.0.0.1:{free_ports(1)[0]}"), started)

    assert found.state is state


def test_who_takes_connections_and_does_not_answer_as_kafka_is_broken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        [found] = kafka(Connections(kafka=f"127.0.0.1:{server.getsockname()[1]}"), False)

    assert found.state is State.FAILED
    assert found.line.startswith("takes connections, but: Kafka at")


@pytest.mark.parametrize(
    ("counts", "state", "line"),
    [
        (TOPICS, State.OK, "all there"),
        ({**TOPICS, "actions.access": 8}, State.FAILED, "actions.access has 8 partitions, and 4"),
        ({"events.access": 4}, State.WARNING, "decisions.access, actions.access, dead-letter: not"),
        ({**TOPICS, "dead-letter": 3}, State.OK, "all there"),
    ],
)
def test_topics_have_the_partitions_that_are_set(
    counts: dict[str, int], state: State, line: str
) -> None:
    found = topics(counts, "access", 4)

    assert found.state is state
    assert found.line.startswith(line)


@pytest.mark.parametrize(
    ("agent", "started", "state"),
    [
        (AgentState("ingestion", READY, 3), True, State.OK),
        (AgentState("ingestion", STARTING), True, State.WARNING),
        (AgentState("ingestion", SILENT), True, State.FAILED),
        (AgentState("ingestion", SILENT), False, State.OFF),
        (AgentState("ingestion", CONTAINED), False, State.OFF),
    ],
)
def test_an_agent(agent: AgentState, started: bool, state: State) -> None:
    assert agent_is(agent, started).state is state


@pytest.mark.parametrize(
    ("parts", "started", "state", "line"),
    [
        ({"kafka": "ok", "redis": "ok"}, True, State.OK, "ready at http://x"),
        (
            {"kafka": "ok", "redis": "unavailable"},
            True,
            State.FAILED,
            "answers at http://x, but is not ready: redis",
        ),
        (None, False, State.OFF, "not running at http://x"),
        (None, True, State.FAILED, "was started, but nobody answers at http://x"),
    ],
)
def test_the_api(parts: dict[str, str] | None, started: bool, state: State, line: str) -> None:
    found = api("http://x", parts, started)

    assert (found.state, found.line) == (state, line)


@pytest.mark.parametrize(
    ("status", "body", "parts"),
    [
        (200, b'{"status":"ok","parts":{"kafka":"ok"}}', {"kafka": "ok"}),
        (
            503,
            b'{"status":"unavailable","parts":{"redis":"unavailable"}}',
            {"redis": "unavailable"},
        ),
        (500, b"<html>", {"/ready": "answered with 500"}),
        (404, b'{"title":"Not Found"}', {"/ready": "answered with 404"}),
        (200, b"<html>", None),
    ],
)
def test_what_a_ready_page_says(status: int, body: bytes, parts: dict[str, str] | None) -> None:
    with answering(status, body) as number:
        assert parts_of(f"http://127.0.0.1:{number}") == parts


@pytest.mark.parametrize(
    ("told", "state"),
    [
        (TOLD, State.OK),
        (replace(TOLD, version="6.2.14"), State.OK),
        (replace(TOLD, version="6.0.16"), State.FAILED),
        (replace(TOLD, eviction="allkeys-lru"), State.FAILED),
        (replace(TOLD, appendonly="no"), State.WARNING),
        (replace(TOLD, last_write="err"), State.FAILED),
        (replace(TOLD, eviction=None, appendonly=None), State.WARNING),
    ],
)
def test_redis_keeps_what_it_is_given(told: Told, state: State) -> None:
    assert redis(told, "127.0.0.1:16379").state is state


@pytest.mark.parametrize(
    ("ahead_s", "state"),
    [
        (0.0, State.OK),
        (-0.999, State.OK),
        (1.0, State.WARNING),
        (-59.9, State.WARNING),
        (60.0, State.FAILED),
        (-3600.0, State.FAILED),
    ],
)
def test_a_clock_that_is_wrong_is_told(ahead_s: float, state: State) -> None:
    found = clock(ahead_s)

    assert found.state is state
    assert ("behind" in found.line) == (ahead_s > 0)


@pytest.mark.parametrize(("started", "state"), [(False, State.OFF), (True, State.FAILED)])
def test_a_redis_where_nobody_listens(
    monkeypatch: pytest.MonkeyPatch, started: bool, state: State
) -> None:
    monkeypatch.delenv("CENTINELA_REDIS", raising=False)
    monkeypatch.setenv("CENTINELA_REDIS_PORT", str(free_ports(1)[0]))

    found = list(store(LocalStack(), started))

    assert [(one.check, one.state) for one in found] == [("redis", state), ("clock", State.OFF)]


@pytest.mark.parametrize("url", ["nonsense", "http://127.0.0.1:1/", "redis://"])
def test_an_address_of_redis_that_is_none_is_told_without_it(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("CENTINELA_REDIS", url)

    [found] = store(LocalStack(), False)

    assert (found.state, found.repair) == (State.FAILED, "unset CENTINELA_REDIS")
    assert url not in found.line.removesuffix("redis://host:port/0")


@pytest.mark.parametrize("address", ["nonsense", "kafka:port", ":9092"])
def test_an_address_of_kafka_that_is_none_is_told(address: str) -> None:
    [found] = kafka(Connections(kafka=address), False)

    assert (found.state, found.repair) == (State.FAILED, "unset CENTINELA_KAFKA")


def test_another_redis_than_the_stacks_was_not_started_by_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CENTINELA_REDIS", f"redis://127.0.0.1:{free_ports(1)[0]}/0")

    found, _ = store(LocalStack(), True)

    assert found.state is State.OFF


def test_a_real_redis_tells_how_it_is_set(redis_url: str) -> None:
    told = asyncio.run(tell(redis_url))

    assert (told.eviction, told.appendonly, told.last_write) == ("noeviction", "yes", "ok")
    assert redis(told, "here").state is State.OK
    assert abs(told.ahead_s) < 1.0


def test_a_redis_that_says_nonsense_is_unavailable() -> None:
    with answering(200, b"<html>") as number, pytest.raises(Unavailable):
        asyncio.run(tell(f"redis://127.0.0.1:{number}/0"))
