"""What every store of kept decisions promises, in memory and on Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from models.errors import Unavailable
from stream_agents.kept import DecisionStore, MemoryDecisions, RedisDecisions
from stream_agents.stage import KeptDecision, Place

MOST = 5


def decision(number: int, epoch: str = "topic", line: bytes = b"{}") -> KeptDecision:
    return KeptDecision(f"event {number}", epoch, Place(1, number, 2), line)


async def found(store: DecisionStore, numbers: range) -> list[int]:
    """Which of some events' decisions are kept."""
    return [number for number in numbers if await store.find(f"event {number}")]


@dataclass(frozen=True, slots=True)
class Stored:
    """A store, with the pack that it is kept under."""

    store: DecisionStore
    pack: str


@asynccontextmanager
async def on_redis(url: str) -> AsyncIterator[Stored]:
    async with AsyncExitStack() as stack:
        pack = uuid4().hex
        store = RedisDecisions(url, pack, MOST)
        stack.push_async_callback(store.aclose)
        yield Stored(store, pack)


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[DecisionStore]:
    if request.param == "memory":
        yield MemoryDecisions(MOST)
        return
    async with on_redis(request.getfixturevalue("redis_url")) as stored:
        yield stored.store


async def test_what_is_kept_is_found_as_it_was(store: DecisionStore) -> None:
    kept = KeptDecision("ünusual \n 0-0-0", "id", Place(3, 1 << 40, 199), b'{"a":"\xc3\xa9\x00"}')
    await store.keep([decision(1), kept])

    assert await store.find(kept.event_id) == kept


async def test_a_decision_without_a_place_is_kept_too(store: DecisionStore) -> None:
    kept = KeptDecision("event", "", None, b"{}")
    await store.keep([kept])

    assert await store.find("event") == kept


async def test_what_was_never_kept_is_not_found(store: DecisionStore) -> None:
    await store.keep([decision(1)])

    assert await store.find("event 2") is None


@pytest.mark.parametrize("at_once", [1, 3, 8])
async def test_the_newest_stay_and_the_oldest_go(store: DecisionStore, at_once: int) -> None:
    for start in range(0, 8, at_once):
        await store.keep([decision(number) for number in range(start, min(start + at_once, 8))])

    assert await found(store, range(8)) == [3, 4, 5, 6, 7]


async def test_the_first_copy_stays_and_takes_no_room(store: DecisionStore) -> None:
    await store.keep([decision(number, line=b"first") for number in range(MOST)])
    again = [decision(number, line=b"again") for number in range(MOST)]
    await store.keep([*again, *again])
    await store.keep(again)

    assert await found(store, range(MOST)) == list(range(MOST))
    assert await store.find("event 0") == decision(0, line=b"first")


async def test_a_new_topics_event_replaces_the_old_ones_of_the_same_id(
    store: DecisionStore,
) -> None:
    await store.keep([decision(0, "old"), decision(1, "old")])
    await store.keep([decision(0, "a new")])

    assert await store.find("event 0") == decision(0, "a new")
    assert await store.find("event 1") == decision(1, "old")


async def test_what_was_replaced_does_not_take_its_successor_along(store: DecisionStore) -> None:
    await store.keep([decision(0, "old")])
    await store.keep([decision(0, "new")])
    await store.keep([decision(number) for number in range(1, MOST)])

    assert await store.find("event 0") == decision(0, "new")


async def test_stream_and_index_are_bounded_and_stay_in_step(redis_url: str) -> None:
    async with on_redis(redis_url) as stored, Redis.from_url(redis_url) as other:
        for start in range(0, 60, 3):
            await stored.store.keep([decision(start + i, str(start % 2)) for i in range(3)])
        # redis-py's types say that anything may be anything.
        entries: Any = await other.xrange(f"decisions:{{{stored.pack}}}")
        index: Any = await other.hgetall(f"decision-index:{{{stored.pack}}}")

    assert len(entries) == MOST
    assert {name.decode(): entry.split()[0] for name, entry in index.items()} == {
        fields[b"event"].decode(): entry for entry, fields in entries
    }


async def test_packs_do_not_share_what_is_kept(redis_url: str) -> None:
    async with on_redis(redis_url) as one, on_redis(redis_url) as other:
        await one.store.keep([decision(1)])

        assert await other.store.find("event 1") is None


async def test_without_redis_nothing_is_kept_or_found(unused_tcp_port: int) -> None:
    store = RedisDecisions(f"redis://127.0.0.1:{unused_tcp_port}/0", "access")

    with pytest.raises(Unavailable):
        await store.keep([decision(1)])
    with pytest.raises(Unavailable):
        await store.find("event 1")
    await store.aclose()
