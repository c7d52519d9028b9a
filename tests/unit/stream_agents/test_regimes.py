"""An agent follows the lists and the policy while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from models.catalog import pack_named
from models.contracts import Action
from models.errors import Unavailable
from models.lists import Entry
from models.regime import PolicyFile
from stream_agents.regimes import Current, MemoryRegimes, Stored

PACK = pack_named("access")
NOON = 1_780_000_000_000_000
DENIED = Entry("deny", "203.0.113.7", NOON)
OWN = PACK.policy.version
SOON_S = 0.005


class Store(MemoryRegimes):
    """Counts its readings, and may be away."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.read_times = 0

    async def revisions(self) -> tuple[int, int]:
        if self.is_away:
            raise Unavailable("redis: gone")
        return await super().revisions()

    async def read(self) -> Stored:
        self.read_times += 1
        return await super().read()


async def until(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not claim():
            await asyncio.sleep(SOON_S)


async def test_what_is_in_force_is_known_before_the_first_event() -> None:
    store = Store()
    await store.add(DENIED, NOON)
    current = Current(PACK, store)

    async with current.followed(1):
        assert current.now().version == f"{OWN}+lists.1"
        assert current.now().lists.entries == (DENIED,)


async def test_a_change_is_in_force_while_the_agent_runs() -> None:
    store = Store()
    current = Current(PACK, store, SOON_S)

    async with current.followed(1):
        assert current.now().version == OWN
        await store.add(DENIED, NOON)
        await until(lambda: current.now().version == f"{OWN}+lists.1")
        await store.change_policy(PolicyFile(score={"block": 0.5}))
        await until(lambda: current.now().version == f"{OWN}+policy.1+lists.1")
        assert current.now().policy.by_score == {Action.BLOCK: 0.5}
        await store.change_policy(None)
        await until(lambda: current.now().policy == PACK.policy)


async def test_what_has_not_changed_is_not_read_again() -> None:
    store = Store()
    await store.add(DENIED, NOON)
    current = Current(PACK, store, 60)
    for _ in range(3):
        await current.refresh()

    assert store.read_times == 1


async def test_while_the_store_is_away_all_stays_as_it_was() -> None:
    store = Store()
    await store.add(DENIED, NOON)
    current = Current(PACK, store, SOON_S)

    with capture_logs() as lines:
        async with current.followed(1):
            store.is_away = True
            await until(lambda: len([x for x in lines if "stay as they were" in x["event"]]) > 2)
            assert current.now().lists.entries == (DENIED,)
            store.is_away = False
            await store.remove("deny", DENIED.name, NOON)
            await until(lambda: not current.now().lists.entries)


async def test_an_agent_that_cannot_know_the_lists_does_not_begin() -> None:
    store = Store()
    store.is_away = True

    with pytest.raises(Unavailable):
        async with Current(PACK, store, SOON_S).followed(3 * SOON_S):
            raise AssertionError("it began")


async def test_an_agent_waits_for_a_store_that_comes_late() -> None:
    store = Store()
    store.is_away = True
    asyncio.get_running_loop().call_later(5 * SOON_S, setattr, store, "is_away", False)

    async with Current(PACK, store, SOON_S).followed(5):
        assert not store.is_away


async def test_a_fault_of_ours_while_following_ends_the_agent() -> None:
    class Faulty(Store):
        async def revisions(self) -> tuple[int, int]:
            if self.read_times:
                raise ZeroDivisionError
            return 1, 0

    with pytest.raises(ExceptionGroup) as ended:
        async with Current(PACK, Faulty(), SOON_S).followed(1):
            await asyncio.sleep(5)

    assert ended.group_contains(ZeroDivisionError)


async def test_a_policy_change_that_this_release_refuses_is_left_out() -> None:
    store = Store()
    await store.change_policy(PolicyFile(ttl={"alert": "10m"}))
    current = Current(PACK, store)

    with capture_logs() as lines:
        await current.refresh()

    assert current.now().policy == PACK.policy
    assert "a block must have a time to live" in lines[0]["error"]
