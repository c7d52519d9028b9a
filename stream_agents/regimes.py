"""The lists and the policy changes of a pack: where they are kept, and how agents follow them.

An agent looks at two numbers every second, beside its loop, and reads the rest where they moved.
`regime_store.py` keeps these promises on Redis; `MemoryRegimes` keeps them in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol

import structlog

from models.errors import InvalidEntry, InvalidPolicy, Unavailable
from models.lists import NO_LISTS, Entry, Lists
from models.pack import DomainPack
from models.policy import REMEMBERED, Policy, micros
from models.regime import PolicyFile, Regime

log = structlog.get_logger(__name__)

EVERY_S = 1.0
MOST_ENTRIES = 100_000
"""Of a pack, those that have ended and are kept for late events included."""

KEPT_AFTER_END = {
    "allow": micros(REMEMBERED),
    "cleared": micros(REMEMBERED),
    "deny": micros(timedelta(days=7)),
}
"""What has ended still covers late events; and it still clears what was found before."""


@dataclass(frozen=True, slots=True)
class Stored:
    """All that is kept for a pack, as of one moment.

    Args:
        policy: Changes to the pack's policy; None for none.
        policy_revision: 0 where the policy was never changed.
        unreadable: What was left out, in words.
    """

    lists: Lists = NO_LISTS
    policy: PolicyFile | None = None
    policy_revision: int = 0
    unreadable: tuple[str, ...] = ()


class RegimeStore(Protocol):
    """One pack's lists and policy changes; methods raise `Unavailable` when they are away."""

    async def revisions(self) -> tuple[int, int]:
        """Of the lists and of the policy; each change raises one of them."""

    async def read(self) -> Stored: ...

    async def add(self, entry: Entry, now_us: int) -> int:
        """Puts an entry on its list, in the place of one of the same name; the new revision.

        Raises:
            InvalidEntry: The lists are full.
        """

    async def remove(self, listed: Literal["allow", "deny"], name: str, now_us: int) -> int | None:
        """Takes an entry off its list; the new revision, or None if it was not there.

        A removed allow entry goes on to clear what was found before.
        """

    async def change_policy(self, policy: PolicyFile | None) -> int:
        """Replaces the changes to the pack's policy; the new revision."""


class MemoryRegimes:
    """`RegimeStore` in this process."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], Entry] = {}
        self._policy: PolicyFile | None = None
        self._revisions = [0, 0]

    async def revisions(self) -> tuple[int, int]:
        return self._revisions[0], self._revisions[1]

    async def read(self) -> Stored:
        lists, policy = self._revisions
        return Stored(Lists(lists, self._entries.values()), self._policy, policy)

    async def add(self, entry: Entry, now_us: int) -> int:
        self._forget(now_us)
        key = entry.listed, entry.name
        if key not in self._entries and len(self._entries) >= MOST_ENTRIES:
            raise full()
        self._entries[key] = entry
        return self._changed(0)

    async def remove(self, listed: Literal["allow", "deny"], name: str, now_us: int) -> int | None:
        self._forget(now_us)
        if self._entries.pop((listed, name), None) is None:
            return None
        if listed == "allow":
            self._entries["cleared", name] = cleared(name, now_us)
        return self._changed(0)

    async def change_policy(self, policy: PolicyFile | None) -> int:
        self._policy = policy
        return self._changed(1)

    def _forget(self, now_us: int) -> None:
        over = [key for key, entry in self._entries.items() if forgotten_at(entry) <= now_us]
        for key in over:
            del self._entries[key]

    def _changed(self, which: int) -> int:
        self._revisions[which] += 1
        return self._revisions[which]


def full() -> InvalidEntry:
    return InvalidEntry(f"lists: must hold at most {MOST_ENTRIES} entries, remove some first")


def cleared(name: str, at: int) -> Entry:
    """What is left of an allow entry that was removed."""
    return Entry("cleared", name, added_us=at, until_us=at)


def forgotten_at(entry: Entry) -> float:
    """When an entry has no effect any more, microseconds since 1970; infinite if it never ends."""
    if entry.until_us is None:
        return float("inf")
    return entry.until_us + KEPT_AFTER_END[entry.listed]


def policy_of(pack: DomainPack, stored: Stored) -> Policy:
    """The pack's policy with the changes that are kept, under a version that names them.

    Raises:
        InvalidPolicy: The two together break a rule.
    """
    if stored.policy is None:
        return pack.policy
    version = f"{pack.policy.version}+policy.{stored.policy_revision}"
    return stored.policy.applied_to(pack.policy, version)


class Current:
    """The regime in force, followed while an agent runs."""

    def __init__(self, pack: DomainPack, store: RegimeStore, every_s: float = EVERY_S) -> None:
        self._pack = pack
        self._store = store
        self._every_s = every_s
        self._regime = Regime(pack.policy)
        self._revisions: tuple[int, int] | None = None

    def now(self) -> Regime:
        return self._regime

    @asynccontextmanager
    async def followed(self, deadline_s: float) -> AsyncIterator[None]:
        """Reads what is in force, then looks for changes until the block is left.

        Raises:
            Unavailable: It could not be read within the deadline: an agent that does not know who
                is allowed must not begin to block.
        """
        await self._read_within(deadline_s)
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(self._follow())
            yield
            following.cancel()

    async def refresh(self) -> None:
        """Reads what is kept, if its revisions say that it has changed."""
        revisions = await self._store.revisions()
        if revisions == self._revisions:
            return
        stored = await self._store.read()
        self._regime = Regime(self._policy(stored), stored.lists)
        self._revisions = stored.lists.revision, stored.policy_revision
        log.info("in force", regime=self._regime.version, entries=len(stored.lists.entries))
        for what in stored.unreadable:
            log.error("left out, it cannot be read", what=what)

    def _policy(self, stored: Stored) -> Policy:
        try:
            return policy_of(self._pack, stored)
        except InvalidPolicy as error:
            # It was valid with another release of the pack; blocking by a guess would be worse.
            log.error("policy change left out", error=str(error))
            return self._pack.policy

    async def _read_within(self, deadline_s: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + deadline_s
        while True:
            try:
                return await self.refresh()
            except Unavailable as error:
                if loop.time() > deadline:
                    raise
                log.warning("waiting for the lists", error=str(error))
            await asyncio.sleep(self._every_s)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.refresh()
            except Unavailable as error:
                log.warning("lists and policy stay as they were", error=str(error))
