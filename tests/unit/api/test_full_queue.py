"""What a caller is told while Kafka is away: by the publisher that the process has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from models.errors import Unavailable
from producer.async_publisher import AsyncPublisher
from producer.records import OutRecord
from stream_agents.answers import MemoryResults
from tests.unit.api.loopback import LoopBack, api_on, event

TIMEOUT_S = 1.0
QUEUED = 10_000


class Real(LoopBack):
    """The loop-back's surroundings, and a publisher that knows no Kafka."""

    def __init__(self, publisher: AsyncPublisher) -> None:
        super().__init__(MemoryResults())
        self.send = publisher.send  # type: ignore[method-assign]  # what is under test


@pytest.fixture
async def silent() -> AsyncIterator[str]:
    """Bootstrap servers that take connections and say nothing."""
    taken: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: taken.append(writer), "127.0.0.1", 0)
    async with server:
        yield "{}:{}".format(*server.sockets[0].getsockname())
        for writer in taken:
            writer.close()


async def test_a_full_queue_is_told_at_once_and_when_to_come_back(silent: str) -> None:
    async with aclosing(AsyncPublisher(silent, timeout_s=TIMEOUT_S)) as publisher:
        record = OutRecord("events.access", 0, b"{}")
        sending = [asyncio.create_task(publisher.send([record]))]
        await asyncio.sleep(0.1)  # it is under way, the others wait
        sending += [asyncio.create_task(publisher.send([record])) for _ in range(QUEUED)]
        await asyncio.sleep(0.1)
        answer = await api_on(Real(publisher)).client.post("/analyze", json=[event()])

        # So its time-out was not what ended it.
        assert not any(each.done() for each in sending)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["type"] == "/problems/unavailable"
        ends = await asyncio.gather(*sending, return_exceptions=True)
    assert all(isinstance(end, Unavailable) for end in ends)


async def test_an_unanswering_kafka_is_told_within_the_time_it_is_given(silent: str) -> None:
    async with aclosing(AsyncPublisher(silent, timeout_s=TIMEOUT_S)) as publisher:
        asked = asyncio.get_running_loop().time()
        answer = await api_on(Real(publisher)).client.post("/analyze", json=[event()])
        waited_s = asyncio.get_running_loop().time() - asked

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "127.0.0.1" not in answer.text
    assert waited_s < 2 * TIMEOUT_S


async def test_no_kafka_at_all_is_told_at_once(unused_tcp_port: int) -> None:
    nowhere = f"127.0.0.1:{unused_tcp_port}"
    async with aclosing(AsyncPublisher(nowhere, timeout_s=60)) as publisher:
        async with asyncio.timeout(10):
            answer = await api_on(Real(publisher)).client.post("/analyze", json=[event()])

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "127.0.0.1" not in answer.text
