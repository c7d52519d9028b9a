"""What every online store promises, on memory and on Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import uvloop
from redis.exceptions import ConnectionError

from feature_store.fence import Commit, OnlineStore, StoreUnavailable, Turn
from feature_store.online import RedisOnlineStore, connect
from stream_agents.memory import MemoryStore


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[OnlineStore]:
    if request.param == "memory":
        yield MemoryStore()
        return
    redis = connect(request.getfixturevalue("redis_url"))
    await redis.flushdb()
    yield RedisOnlineStore(redis, "access", "client", timedelta(days=2))
    await redis.aclose()


async def test_an_unknown_partition_is_empty(store: OnlineStore) -> None:
    assert await store.load(3) == (b"", b"")
    assert await store.state(3, "nobody") is None


async def test_a_commit_is_read_back(store: OnlineStore) -> None:
    commit = Commit(b"", b"fence-1", {"a": b"\x00\xff", "b": b"2"}, [(0, b"12345678")])

    (reply,) = await store.exchange([Turn(0, commit, ["b", "c"])])

    assert (reply.fence, list(reply.states)) == (b"fence-1", [b"2", None])
    assert await store.load(0) == (b"fence-1", b"12345678")
    assert await store.state(0, "a") == b"\x00\xff"


async def test_a_commit_on_another_fence_writes_nothing(store: OnlineStore) -> None:
    await store.exchange([Turn(0, Commit(b"", b"fence-1", {"a": b"1"}))])

    (reply,) = await store.exchange(
        [Turn(0, Commit(b"fence-0", b"fence-2", {"a": b"9"}, [(0, b"x")]), ["a"])]
    )

    assert (reply.fence, list(reply.states)) == (b"fence-1", [b"1"])
    assert await store.load(0) == (b"fence-1", b"")


async def test_a_commit_repeated_after_a_lost_reply_is_recognised(store: OnlineStore) -> None:
    turn = Turn(0, Commit(b"", b"fence-1", {"a": b"1"}))
    await store.exchange([turn])
    await store.exchange([Turn(0, Commit(b"fence-1", b"fence-1b", {"a": b"2"}))])

    (reply,) = await store.exchange([Turn(0, Commit(b"fence-1", b"fence-1b", {"a": b"2"}))])

    assert reply.fence == b"fence-1b"
    assert await store.state(0, "a") == b"2"


async def test_partitions_stand_alone(store: OnlineStore) -> None:
    replies = await store.exchange(
        [
            Turn(0, Commit(b"", b"f0", {"a": b"0"})),
            Turn(1, Commit(b"wrong", b"f1", {"a": b"1"})),
            Turn(2, None, ["a"]),
        ]
    )

    assert [reply.fence for reply in replies] == [b"f0", b"", b""]
    assert await store.state(0, "a") == b"0"
    assert await store.state(1, "a") is None


async def test_the_ring_of_ids_is_written_in_pieces(store: OnlineStore) -> None:
    await store.exchange([Turn(0, Commit(b"", b"1", {}, [(0, b"AAAABBBB")]))])
    await store.exchange([Turn(0, Commit(b"1", b"2", {}, [(4, b"CCCC"), (0, b"DD")]))])

    assert await store.load(0) == (b"2", b"DDAACCCC")


async def test_thousands_of_entities_fit_one_turn(store: OnlineStore) -> None:
    states = {f"client-{number}": str(number).encode() for number in range(2_500)}

    (reply,) = await store.exchange([Turn(0, Commit(b"", b"1", states), list(states))])

    assert list(reply.states) == list(states.values())


@pytest.mark.parametrize("entity", ["a}b{c", "", "with space\n", "ünï", "x" * 300])
async def test_any_text_names_an_entity(store: OnlineStore, entity: str) -> None:
    await store.exchange([Turn(0, Commit(b"", b"1", {entity: b"state"}))])

    assert await store.state(0, entity) == b"state"


async def test_a_partition_that_is_forgotten_keeps_its_fence(store: OnlineStore) -> None:
    states = {f"entity-{number}": b"1" for number in range(2_500)}
    await store.exchange([Turn(1, Commit(b"", b"fence", states, [(0, b"ids")]))])
    await store.exchange([Turn(11, Commit(b"", b"fence", {"a": b"1"}))])

    await store.forget(1)

    assert await store.load(1) == (b"fence", b"ids")
    (reply,) = await store.exchange([Turn(1, None, list(states))])
    assert set(reply.states) == {None}
    assert await store.state(11, "a") == b"1"


async def test_entities_expire_and_fences_do_not(redis_url: str) -> None:
    redis = connect(redis_url)
    await redis.flushdb()
    store = RedisOnlineStore(redis, "access", "client", timedelta(days=2))

    await store.exchange([Turn(3, Commit(b"", b"1", {"a": b"1"}, [(0, b"x")]))])

    assert await redis.ttl("feature:{access.3}:client:a") in range(172_700, 172_801)
    assert await redis.ttl("fence:{access.3}") == -1
    assert await redis.ttl("seen:{access.3}") == -1
    await redis.aclose()


async def test_a_turn_is_one_script_call_a_partition(redis_url: str) -> None:
    redis = connect(redis_url)
    await redis.flushdb()
    store = RedisOnlineStore(redis, "access", "client", timedelta(days=2))
    await store.exchange([Turn(0)])
    await redis.config_resetstat()

    await store.exchange([Turn(0, Commit(b"", b"1", {"a": b"1"}), ["b"]), Turn(1, None, ["a"])])

    calls = {name: stats["calls"] for name, stats in (await redis.info("commandstats")).items()}
    assert calls["cmdstat_evalsha"] == 2
    await redis.aclose()


async def test_a_full_redis_refuses_the_whole_commit(redis_url: str) -> None:
    redis = connect(redis_url)
    await redis.flushdb()
    store = RedisOnlineStore(redis, "access", "client", timedelta(days=2))
    await redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreUnavailable, match="redis"):
            await store.exchange([Turn(0, Commit(b"", b"1", {"a": b"1"}))])
    finally:
        await redis.config_set("maxmemory", 0)

    assert await store.load(0) == (b"", b"")
    assert await store.state(0, "a") is None
    await redis.aclose()


@pytest.mark.parametrize("kind", ["fence", "seen"])
async def test_where_a_key_is_not_ours_nothing_is_written(redis_url: str, kind: str) -> None:
    redis: Any = connect(redis_url)  # redis-py's commands are typed for its other clients only
    await redis.flushdb()
    await redis.hset(f"{kind}:{{access.0}}", "not", "ours")
    store = RedisOnlineStore(redis, "access", "client", timedelta(days=2))
    commit = Commit(b"", b"fence-1", {"a": b"1"}, [(0, b"12345678")])

    with pytest.raises(StoreUnavailable, match="WRONGTYPE"):
        await store.exchange([Turn(0, commit)])

    assert await store.state(0, "a") is None
    await redis.aclose()


def test_a_connection_that_was_closed_under_us_is_a_redis_that_is_away(redis_url: str) -> None:
    # The agents' loop says of a closed transport what no client of Redis expects.
    uvloop.run(closed_under_us(redis_url))


async def closed_under_us(url: str) -> None:
    redis = connect(url)
    connection = await redis.connection_pool.get_connection()  # type: ignore[no-untyped-call]  # redis-py
    assert connection._writer is not None
    connection._writer.transport.abort()
    await asyncio.sleep(0)

    with pytest.raises(ConnectionError, match="closed"):
        await connection.send_command("PING", check_health=False)

    await connection.send_command("PING", check_health=False)
    assert await connection.read_response() in (b"PONG", "PONG")
    await connection.disconnect()


async def test_a_redis_that_is_away_is_said_to_be() -> None:
    redis = connect("redis://127.0.0.1:1/0")
    store = RedisOnlineStore(redis, "access", "client", timedelta(days=2))

    with pytest.raises(StoreUnavailable, match="redis: ConnectionError"):
        await store.load(0)
    await redis.aclose()
