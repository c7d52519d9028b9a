"""Reading and changing what is in force for a pack: its lists, and the changes to its policy."""

from __future__ import annotations

import re
from typing import Literal

from msgspec.structs import replace

from api.faults import CONTROL, SEEN, Fault
from api.problems import Problem, told
from api.schemas import EntryChanged, ListShown, NewEntry, PolicyShown, ShownEntry
from models.errors import DetectionError, InvalidEntry, InvalidEvent, InvalidPolicy
from models.lists import Entry, canonical
from models.pack import DomainPack
from models.regime import PolicyFile, file_of
from producer.instants import micros, rfc3339
from stream_agents.regimes import RegimeStore, Stored, policy_of

Listed = Literal["allow", "deny"]

SECOND_US = 1_000_000
POLICY_PLACES = (
    (re.compile(r"(ttl|escalation)\.(\w+) "), ""),
    (re.compile(r"the score for (\w+) "), "/score"),
    (re.compile(r"the time to live of (\w+) "), "/ttl"),
    (re.compile(r"the escalation's (factor) "), "/escalation"),
    (re.compile(r".* must have a time to live"), "/ttl"),
    (re.compile(r"an allow cannot hold"), "/holds"),
)
"""How the rules of a policy begin, and the part of it that they are about."""
END_OF_TIME_US = 253_402_300_800 * SECOND_US
"""The year 10000, which RFC 3339 cannot write."""


class Governor:
    """Governs one pack; every method raises `Unavailable` when the store is away."""

    def __init__(self, pack: DomainPack, store: RegimeStore) -> None:
        self._pack = pack
        self._store = store

    async def listed(self, listed: Listed, now_us: int) -> ListShown:
        """The entries that have not ended, by name."""
        lists = (await self._store.read()).lists
        mine = [e for e in lists.entries if e.listed == listed and e.is_in_force(now_us)]
        return ListShown(self._pack.name, listed, lists.revision, list(map(shown, mine)))

    async def add(self, listed: Listed, new: NewEntry, now_us: int) -> EntryChanged:
        """Puts an entry on a list, in the place of one of the same name.

        Raises:
            Problem: The entry or its end cannot be meant, or the lists are full.
        """
        until, name = end_of(new, now_us), named(new.entry)
        entry = Entry(
            listed, name, now_us, until, words("note", new.note), words("author", new.author)
        )
        try:
            revision = await self._store.add(entry, now_us)
        except InvalidEntry as error:  # the lists are full
            raise refused("invalid-entry", plain(error), "") from None
        return EntryChanged(self._pack.name, listed, revision, shown(entry))

    async def remove(self, listed: Listed, text: str, now_us: int) -> EntryChanged:
        """Takes an entry off a list; a removed allow entry has cleared what it covered.

        Raises:
            Problem: It is not there.
        """
        name = named(text)
        revision = await self._store.remove(listed, name, now_us)
        if revision is None:
            raise told("unknown-entry")
        return EntryChanged(self._pack.name, listed, revision, ShownEntry(name))

    async def policy(self) -> PolicyShown:
        stored = await self._store.read()
        try:
            return self._shown(stored)
        except InvalidPolicy:  # changes that were valid with another release: nobody applies them
            return replace(self._shown(Stored()), changes=stored.policy)

    async def change_policy(self, changes: PolicyFile | None) -> PolicyShown:
        """Replaces the changes to the pack's policy; None takes them back.

        Raises:
            Problem: With them the policy breaks a rule.
        """
        try:
            policy_of(self._pack, Stored(policy=changes))
        except InvalidPolicy as error:
            rule = plain(error)
            raise refused("invalid-policy", rule, place_of(rule)) from None
        revision = await self._store.change_policy(changes)
        return self._shown(Stored(policy=changes, policy_revision=revision))

    def _shown(self, stored: Stored) -> PolicyShown:
        policy = policy_of(self._pack, stored)
        revision, changes = stored.policy_revision, stored.policy
        return PolicyShown(self._pack.name, policy.version, revision, file_of(policy), changes)


def named(text: str) -> str:
    """An entry as it is kept."""
    try:
        return canonical(text)
    except InvalidEntry as error:
        raise refused("invalid-entry", plain(error), "/entry") from None


def words(field: str, text: str) -> str:
    """A note or an author: told to people, so it holds nothing that a terminal would obey."""
    if CONTROL.search(text):
        rule = f"{field} must not hold control characters"
        raise refused("invalid-entry", rule, f"/{field}")
    return text


def end_of(new: NewEntry, now: int) -> int | None:
    """When an entry ends, microseconds since 1970; None for never."""
    if new.until is not None and new.ttl_s is not None:
        raise refused("invalid-entry", "must have until or ttl_s, not both", "/ttl_s")
    if new.until is None:
        end = None if new.ttl_s is None else now + new.ttl_s * SECOND_US
    else:
        end = instant(new.until)
    if end is not None and not now < end < END_OF_TIME_US:
        rule = "must end in the future, and before the year 10000"
        raise refused("invalid-entry", rule, "/ttl_s" if new.until is None else "/until")
    return end


def instant(text: str) -> int:
    try:
        return micros(text)
    except InvalidEvent:
        raise refused("invalid-entry", "until must be an RFC 3339 time", "/until") from None


def shown(entry: Entry) -> ShownEntry:
    until = None if entry.until_us is None else rfc3339(entry.until_us)
    return ShownEntry(entry.name, until, entry.note, entry.author, rfc3339(entry.added_us))


def plain(error: DetectionError) -> str:
    """Our complaint without the thing's name and the value that it was about."""
    return SEEN.sub("", str(error).partition(": ")[2])


def place_of(rule: str) -> str:
    """The pointer of what a policy's rule is about; the whole policy where it names no one part."""
    for words, place in POLICY_PLACES:
        if found := words.match(rule):
            return place + "".join(f"/{step}" for step in found.groups())
    return ""


def refused(kind: str, rule: str, pointer: str) -> Problem:
    return Problem(422, kind, rule, errors=[Fault(rule, pointer)])
