"""What every store of lists and policy changes promises, in memory and on Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from feature_store.online import connect
from models.errors import InvalidEntry, Unavailable
from models.lists import Entry, Listed
from models.policy import micros
from models.regime import GrowthFile, PolicyFile
from stream_agents import regime_store, regimes
from stream_agents.regime_store import RedisRegimes
from stream_agents.regimes import MemoryRegimes, RegimeStore

NOON = 1_780_000_000_000_000
HOUR, DAY = micros(timedelta(hours=1)), micros(timedelta(days=1))
CHANGES = PolicyFile({"alert": 0.9}, escalation=GrowthFile(longest="2d"))


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[RegimeStore]:
    if request.param == "memory":
        yield MemoryRegimes()
        return
    url = request.getfixturevalue("redis_url")
    await flush(url)
    on_redis = RedisRegimes(url, "access")
    yield on_redis
    await on_redis.aclose()


async def flush(url: str) -> None:
    redis = connect(url)
    await redis.flushdb()
    await redis.aclose()


def entry(name: str = "203.0.113.0/24", listed: Listed = "deny", until: int | None = None) -> Entry:
    return Entry(listed, name, NOON, until, "why", "who")


async def kept(store: RegimeStore) -> set[Entry]:
    return set((await store.read()).lists.entries)


async def test_at_first_nobody_is_listed_and_nothing_changed(store: RegimeStore) -> None:
    stored = await store.read()

    assert await store.revisions() == (0, 0)
    assert (stored.lists.revision, stored.lists.entries) == (0, ())
    assert (stored.policy, stored.policy_revision) == (None, 0)


async def test_an_entry_is_read_back_as_it_was_added(store: RegimeStore) -> None:
    added = [entry(), entry("wéb {1}\N{EM DASH}2", "allow", NOON + HOUR), entry("2001:db8::/32")]
    for each in added:
        await store.add(each, NOON)

    assert await kept(store) == set(added)


async def test_every_change_raises_the_revision_of_what_it_changes(store: RegimeStore) -> None:
    assert await store.add(entry(), NOON) == 1
    assert await store.add(entry(), NOON) == 2
    assert await store.remove("deny", entry().name, NOON) == 3
    assert await store.change_policy(CHANGES) == 1
    assert await store.change_policy(None) == 2

    stored = await store.read()
    assert await store.revisions() == (3, 2) == (stored.lists.revision, stored.policy_revision)


async def test_an_entry_takes_the_place_of_its_namesake_on_the_same_list(
    store: RegimeStore,
) -> None:
    await store.add(entry(until=NOON + HOUR), NOON)
    await store.add(entry(listed="allow"), NOON)
    await store.add(entry(), NOON)

    assert await kept(store) == {entry(), entry(listed="allow")}


async def test_a_removed_deny_entry_leaves_nothing(store: RegimeStore) -> None:
    await store.add(entry(), NOON)
    await store.remove("deny", entry().name, NOON)

    assert await kept(store) == set()


async def test_a_removed_allow_entry_leaves_that_it_has_cleared(store: RegimeStore) -> None:
    await store.add(entry(listed="allow"), NOON)
    await store.remove("allow", entry().name, NOON + HOUR)

    assert await kept(store) == {Entry("cleared", entry().name, NOON + HOUR, NOON + HOUR)}


@pytest.mark.parametrize("name", ["203.0.113.0/24", "198.51.100.7"])
async def test_what_is_not_on_a_list_cannot_be_taken_off_it(store: RegimeStore, name: str) -> None:
    await store.add(entry(listed="allow"), NOON)

    assert await store.remove("deny", name, NOON) is None
    assert await store.revisions() == (1, 0)


@pytest.mark.parametrize(
    ("listed", "days"), [("deny", 7), ("allow", 60)], ids=["deny", "allow clears"]
)
async def test_what_has_ended_is_kept_for_late_events_and_then_forgotten(
    store: RegimeStore, listed: Listed, days: int
) -> None:
    ended = entry(listed=listed, until=NOON)
    await store.add(ended, NOON - HOUR)

    await store.add(entry("other"), NOON + days * DAY - 1)
    assert ended in await kept(store)

    await store.add(entry("other"), NOON + days * DAY)
    assert await kept(store) == {entry("other")}


async def test_an_entry_without_an_end_is_never_forgotten(store: RegimeStore) -> None:
    await store.add(entry(until=NOON), NOON - HOUR)
    await store.add(entry(), NOON - HOUR)
    await store.add(entry("other"), NOON + 999 * DAY)

    assert entry() in await kept(store)


async def test_full_lists_refuse_more_but_not_a_change(
    store: RegimeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regimes, "MOST_ENTRIES", 2)
    monkeypatch.setattr(regime_store, "MOST_ENTRIES", 2)
    await store.add(entry("a"), NOON)
    await store.add(entry("b"), NOON)

    with pytest.raises(InvalidEntry, match="lists: must hold at most 2 entries"):
        await store.add(entry("c"), NOON)
    await store.add(entry("b", until=NOON), NOON)

    assert await kept(store) == {entry("a"), entry("b", until=NOON)}


async def test_a_changed_policy_is_read_back_and_taken_back(store: RegimeStore) -> None:
    await store.change_policy(CHANGES)
    changed = (await store.read()).policy
    await store.change_policy(None)

    assert changed == CHANGES
    assert (await store.read()).policy is None


async def test_packs_stand_alone(redis_url: str) -> None:
    await flush(redis_url)
    access, fraud = RedisRegimes(redis_url, "access"), RedisRegimes(redis_url, "fraud")
    await access.add(entry(), NOON)
    await access.change_policy(CHANGES)

    assert await fraud.revisions() == (0, 0)
    assert await kept(fraud) == set()
    await access.aclose()
    await fraud.aclose()


async def test_what_cannot_be_read_is_left_out_and_named(redis_url: str) -> None:
    await flush(redis_url)
    store, redis = RedisRegimes(redis_url, "access"), connect(redis_url)
    await store.add(entry(), NOON)
    await redis.hset("lists:{access}", mapping={"deny 198.51.100.7": "{", "deny x": '{"x": 1}'})
    await redis.set("policy:{access}", '{"scores": {}}')

    stored = await store.read()

    assert set(stored.lists.entries) == {entry()}
    assert set(stored.unreadable) == {"deny 198.51.100.7", "deny x", "policy"}
    assert stored.policy is None
    await store.aclose()
    await redis.aclose()


async def test_a_redis_that_is_away_is_said_to_be(unused_tcp_port: int) -> None:
    store = RedisRegimes(f"redis://127.0.0.1:{unused_tcp_port}/0", "access")

    for call in (store.revisions(), store.read(), store.add(entry(), NOON)):
        with pytest.raises(Unavailable, match="redis: "):
            await call
    await store.aclose()
