"""What every pair of result store and reader promises, in memory and on Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from models.errors import Unavailable
from stream_agents.answers import Answer, Kept, MemoryResults, Replies, ResultStore
from stream_agents.results import KEPT_S, RedisReplies, RedisResults

LONG = 20.0
"""Seconds that pass only where a wake-up is lost."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A store, the reader whose id the answers carry, and the reader of another API process."""

    store: ResultStore
    here: Replies
    elsewhere: Replies

    def answer(self, batch: str, part: int, lines: bytes = b"{}\n") -> Answer:
        return Answer(batch, str(part), self.here.reply, lines)


@pytest.fixture(params=["memory", "redis"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    if request.param == "memory":
        memory = MemoryResults()
        yield Pair(memory, memory.replies("here"), memory.replies("elsewhere"))
        return
    url = request.getfixturevalue("redis_url")
    async with AsyncExitStack() as stack:
        store = RedisResults(url)
        stack.push_async_callback(store.aclose)
        here = await stack.enter_async_context(RedisReplies(url, new_id()))
        elsewhere = await stack.enter_async_context(RedisReplies(url, new_id()))
        await here.subscribed.wait()
        yield Pair(store, here, elsewhere)


def new_id() -> str:
    return uuid4().hex


async def test_a_waiter_gets_all_parts_in_whatever_order_they_come(pair: Pair) -> None:
    batch = new_id()
    await pair.here.open(batch, b"asked", parts=3)
    waiting = asyncio.create_task(pair.here.wait(batch, LONG))

    await pair.store.write([pair.answer(batch, 2, b"c"), pair.answer(batch, 0, b"a")])
    await pair.store.write([pair.answer(batch, 1, b"b")])

    assert await waiting == {"0": b"a", "1": b"b", "2": b"c"}


async def test_an_answer_between_opening_and_waiting_is_not_lost(pair: Pair) -> None:
    batch = new_id()
    await pair.here.open(batch, b"", parts=1)
    await pair.store.write([pair.answer(batch, 0)])
    await asyncio.sleep(0.05)

    assert await pair.here.wait(batch, LONG) == {"0": b"{}\n"}


async def test_the_first_copy_of_a_part_stays(pair: Pair) -> None:
    batch = new_id()
    await pair.here.open(batch, b"", parts=1)

    await pair.store.write([pair.answer(batch, 0, b"first"), pair.answer(batch, 0, b"second")])
    await pair.store.write([pair.answer(batch, 0, b"third")])

    assert await pair.here.wait(batch, LONG) == {"0": b"first"}


async def test_a_part_written_twice_does_not_complete_a_batch_of_two(pair: Pair) -> None:
    batch = new_id()
    await pair.here.open(batch, b"", parts=2)
    await pair.store.write([pair.answer(batch, 0)] * 2)
    waiting = asyncio.create_task(pair.here.wait(batch, LONG))
    await asyncio.sleep(0.05)

    assert not waiting.done()
    await pair.store.write([pair.answer(batch, 1)])
    assert set(await waiting) == {"0", "1"}


async def test_after_a_time_out_the_parts_that_came_are_returned(pair: Pair) -> None:
    batch = new_id()
    await pair.here.open(batch, b"asked", parts=2)
    await pair.store.write([pair.answer(batch, 1, b"b")])

    assert await pair.here.wait(batch, 0.05) == {"1": b"b"}

    await pair.store.write([pair.answer(batch, 0, b"a")])
    assert await pair.here.read(batch) == Kept(b"asked", {"0": b"a", "1": b"b"})


async def test_another_process_reads_the_batch_as_well(pair: Pair) -> None:
    batch = new_id()
    await pair.here.open(batch, b"asked", parts=1)
    await pair.store.write([pair.answer(batch, 0)])

    assert await pair.elsewhere.read(batch) == Kept(b"asked", {"0": b"{}\n"})


async def test_one_call_wakes_the_waiters_of_many_batches(pair: Pair) -> None:
    batches = [new_id() for _ in range(5)]
    for batch in batches:
        await pair.here.open(batch, b"", parts=1)
    waiting = [asyncio.create_task(pair.here.wait(batch, LONG)) for batch in batches]

    await pair.store.write([pair.answer(batch, 0, batch.encode()) for batch in batches])

    assert await asyncio.gather(*waiting) == [{"0": batch.encode()} for batch in batches]


async def test_an_unknown_batch_is_none(pair: Pair) -> None:
    assert await pair.here.read(new_id()) is None


async def test_an_answer_nobody_asked_for_here_is_kept_without_a_notice(pair: Pair) -> None:
    batch = new_id()
    await pair.store.write([Answer(batch, "0", "", b"a")])
    await pair.here.open(batch, b"asked", parts=1)

    assert await pair.here.wait(batch, 0.05) == {"0": b"a"}


async def test_a_lost_notice_is_made_good_when_the_subscription_is_back(redis_url: str) -> None:
    batch = new_id()
    async with RedisReplies(redis_url, new_id()) as here, Redis.from_url(redis_url) as other:
        await here.subscribed.wait()
        await here.open(batch, b"", parts=1)
        waiting = asyncio.create_task(here.wait(batch, LONG))
        await asyncio.sleep(0.05)

        await other.hset(f"result:{batch}", "0", "written, but never announced")
        await other.client_kill_filter(_type="pubsub")

        assert await waiting == {"0": b"written, but never announced"}


async def test_a_part_expires_after_a_day(redis_url: str) -> None:
    batch = new_id()
    store = RedisResults(redis_url)
    await store.write([Answer(batch, "0", "", b"a")])
    await store.aclose()

    async with Redis.from_url(redis_url) as other:
        assert 0 < await other.ttl(f"result:{batch}") <= KEPT_S


async def test_a_redis_that_takes_no_writes_is_not_ready(redis_url: str) -> None:
    redis = Redis.from_url(redis_url)
    async with RedisReplies(redis_url, new_id()) as replies:
        await replies.subscribed.wait()
        await replies.ping()
        await redis.config_set("maxmemory", 1)
        try:
            with pytest.raises(Unavailable, match="nothing can be written"):
                await replies.ping()
        finally:
            await redis.config_set("maxmemory", 0)
    await redis.aclose()


async def test_without_redis_everything_is_unavailable(unused_url: str) -> None:
    store = RedisResults(unused_url)
    async with RedisReplies(unused_url, "here") as here:
        with pytest.raises(Unavailable):
            await store.write([Answer("b", "0", "", b"a")])
        with pytest.raises(Unavailable):
            await here.open("b", b"", parts=1)
        with pytest.raises(Unavailable):
            await here.ping()

        assert here.waiting == 0
    await store.aclose()


@pytest.fixture
def unused_url(unused_tcp_port: int) -> str:
    return f"redis://127.0.0.1:{unused_tcp_port}/0"
