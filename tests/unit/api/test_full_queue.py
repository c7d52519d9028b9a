"""What a caller is told while Kafka is away: by the publisher that the process has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from producer.publisher import Publisher
from producer.records import OutRecord
from stream_agents.answers import MemoryResults
from tests.unit.api.loopback import LoopBack, api_on, event

TIMEOUT_S = 1.0
QUEUED = 10_000


class Real(LoopBack):
    """The loop-back's surroundings, and a publisher that knows no Kafka."""

    def __init__(self, publisher: Publisher) -> None:
        super().__init__(MemoryResults())
        self.send = publisher.send  # type: ignore[method-assign]  # what is under test


@pytest.fixture
def publisher(unused_tcp_port: int) -> Iterator[Publisher]:
    with Publisher(f"127.0.0.1:{unused_tcp_port}", delivery_timeout_s=TIMEOUT_S) as publisher:
        yield publisher


async def test_a_full_queue_is_told_at_once_and_when_to_come_back(publisher: Publisher) -> None:
    told: list[object] = []
    for _ in range(QUEUED):
        publisher.put(OutRecord("events.access", 0, b"{}"), lambda error, _: told.append(error))
    answer = await api_on(Real(publisher)).client.post("/analyze", json=[event()])

    assert told == []  # so Kafka's own time-out was not what ended it
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["type"] == "/problems/unavailable"


async def test_an_unanswering_kafka_is_told_within_the_time_it_is_given(
    publisher: Publisher,
) -> None:
    answer = await api_on(Real(publisher)).client.post("/analyze", json=[event()])

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "127.0.0.1" not in answer.text
