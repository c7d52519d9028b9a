"""What every store of idempotency keys promises, in memory and on Redis."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from models.errors import Unavailable
from stream_agents import idempotency
from stream_agents.idempotency import (
    Claim,
    IdempotencyStore,
    MemoryIdempotency,
    RedisIdempotency,
    stored_as,
)
from stream_agents.results import KEPT_S

Make = Callable[[float], IdempotencyStore]
LONG_S = 60.0


@pytest.fixture(params=["memory", "redis"])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Makes a store whose leases last so many seconds."""
    if request.param == "memory":
        yield MemoryIdempotency
        return
    url = request.getfixturevalue("redis_url")
    async with AsyncExitStack() as stack:

        def made(lease_s: float) -> RedisIdempotency:
            store = RedisIdempotency(url, lease_s)
            stack.push_async_callback(store.aclose)
            return store

        yield made


@pytest.fixture
def store(make: Make) -> IdempotencyStore:
    return make(LONG_S)


@pytest.fixture
def key() -> str:
    return f"é {uuid4().hex}"


async def test_the_first_to_come_has_the_key(store: IdempotencyStore, key: str) -> None:
    assert await store.claim(key, "body", "batch 1") == Claim("ours", "batch 1")
    assert await store.claim(key, "body", "batch 2") == Claim("in-flight", "batch 1")


async def test_of_many_at_once_one_has_the_key(store: IdempotencyStore, key: str) -> None:
    claims = await asyncio.gather(*(store.claim(key, "body", f"batch {i}") for i in range(20)))

    assert Counter(claim.state for claim in claims) == {"ours": 1, "in-flight": 19}
    assert len({claim.batch for claim in claims}) == 1


async def test_a_settled_key_stands_for_its_batch(store: IdempotencyStore, key: str) -> None:
    await store.claim(key, "body", "batch 1")
    await store.settle(key, "batch 1")

    assert await store.claim(key, "body", "batch 2") == Claim("done", "batch 1")


@pytest.mark.parametrize("is_settled", [False, True])
async def test_another_body_is_another_request(
    store: IdempotencyStore, key: str, is_settled: bool
) -> None:
    await store.claim(key, "body", "batch 1")
    if is_settled:
        await store.settle(key, "batch 1")

    assert (await store.claim(key, "another", "batch 2")).state == "other"


async def test_keys_stand_apart(store: IdempotencyStore, key: str) -> None:
    await store.claim(key, "body", "batch 1")

    assert (await store.claim(f"{key}'s twin", "another", "batch 2")).state == "ours"


async def test_after_the_lease_another_goes_on_with_the_same_batch(make: Make, key: str) -> None:
    died = make(0.0)
    await died.claim(key, "body", "batch 1")

    assert await died.claim(key, "another", "batch 2") == Claim("other", "batch 1")
    assert await died.claim(key, "body", "batch 2") == Claim("ours", "batch 1")


async def test_a_released_key_is_free_at_once_for_the_same_batch(
    store: IdempotencyStore, key: str
) -> None:
    await store.claim(key, "body", "batch 1")
    await store.release(key, "batch 1")

    assert await store.claim(key, "another", "batch 2") == Claim("other", "batch 1")
    assert await store.claim(key, "body", "batch 2") == Claim("ours", "batch 1")
    assert (await store.claim(key, "body", "batch 3")).state == "in-flight"


async def test_a_forgotten_key_is_new(store: IdempotencyStore, key: str) -> None:
    await store.claim(key, "body", "batch 1")
    await store.forget(key, "batch 1")

    assert await store.claim(key, "another", "batch 2") == Claim("ours", "batch 2")


async def test_who_comes_too_late_changes_nothing(store: IdempotencyStore, key: str) -> None:
    await store.claim(key, "body", "batch 1")
    await store.forget(key, "batch 1")
    await store.claim(key, "body", "batch 2")

    await store.settle(key, "batch 1")
    await store.forget(key, "batch 1")
    await store.release(key, "batch 1")
    assert await store.claim(key, "body", "batch 3") == Claim("in-flight", "batch 2")


async def test_what_was_never_claimed_is_not_made_by_settling(
    store: IdempotencyStore, key: str
) -> None:
    await store.settle(key, "batch 1")

    assert await store.claim(key, "body", "batch 2") == Claim("ours", "batch 2")


async def test_in_memory_the_oldest_keys_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "MOST", 2)
    store = MemoryIdempotency()
    for number in range(3):
        await store.claim(f"key {number}", "body", "batch")

    states = [(await store.claim(f"key {n}", "body", "batch")).state for n in (1, 2, 0)]
    assert states == ["in-flight", "in-flight", "ours"]


async def test_on_redis_a_key_is_kept_for_a_day(redis_url: str, key: str) -> None:
    store = RedisIdempotency(redis_url)
    await store.claim(key, "body", "batch 1")
    await store.settle(key, "batch 1")
    await store.aclose()

    async with Redis.from_url(redis_url) as other:
        assert 0 < await other.ttl(stored_as(key)) <= KEPT_S


async def test_without_redis_no_key_can_be_claimed(unused_tcp_port: int) -> None:
    store = RedisIdempotency(f"redis://127.0.0.1:{unused_tcp_port}/0")

    with pytest.raises(Unavailable):
        await store.claim("key", "body", "batch")
    with pytest.raises(Unavailable):
        await store.settle("key", "batch")
    await store.aclose()
