"""Allow and deny lists: who is let through whatever is found, and who is not.

An entry is an address, a range of addresses (CIDR), or any other entity's name, exactly. An IPv4
address mapped into IPv6 (`::ffff:203.0.113.7`) is that IPv4 address.

Of the entries that cover an entity and are in force at the event's time, the most specific one
decides: the longest prefix, and a single address or a name before all. Where an allow and a deny
entry are equally specific, allow decides. So an allow entry cuts a hole in a denied range, and a
deny entry may single out an address of an allowed one.

An allow entry also clears: what was found about an entity that it covers, up to the time when it
was removed or came to its end, is forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from socket import AF_INET, AF_INET6, inet_pton
from typing import Literal, NamedTuple

import msgspec

from models.errors import InvalidEntry

LONGEST_NAME = 200
LONGEST_NOTE = 200
NEVER = -(1 << 63)
"""Before every event."""

REMEMBERED = 100_000
"""Entities whose entries are not looked up again."""

BITS = {4: 32, 6: 128}
MAPPED = bytes(10) + b"\xff\xff"
MAPPED_BITS = 96
LIKE_AN_ADDRESS = re.compile(
    r"[0-9*:-]*\.[0-9*:.-]*"  # 203.0.113, 203.0.*, 203.0.113.7:80, 203.0.113.7-9
    r"|(?=.*::|(?:[^:]*:){7})[0-9a-fA-F:.]+"
)
"""What nobody would give as a name: refused unless it is an address."""

Listed = Literal["allow", "deny", "cleared"]


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One line of a list.

    Args:
        listed: `allow`, `deny`, or `cleared`: an allow entry that was removed at `until_us`.
        name: As `canonical` writes it.
        added_us: When it was added, microseconds since 1970 UTC.
        until_us: It covers the events before this time; None for all.
        note: Why, for those who meet it in an answer.
        author: Who added it.
    """

    listed: Listed
    name: str
    added_us: int
    until_us: int | None = None
    note: str = ""
    author: str = ""

    def is_in_force(self, at: int) -> bool:
        return self.listed != "cleared" and (self.until_us is None or at < self.until_us)

    def clears(self, at: int) -> int:
        """Up to when the entry has cleared, as of an event's time; `NEVER` if it has not ended."""
        if self.until_us is None or self.listed == "deny":
            return NEVER
        return self.until_us if self.listed == "cleared" or at >= self.until_us else NEVER


@dataclass(frozen=True, slots=True)
class Covering:
    """The entries that cover an entity, the one that decides first, whatever their time."""

    entries: tuple[Entry, ...] = ()

    def at(self, at: int) -> Entry | None:
        """The entry that decides about an event of this time."""
        return next((entry for entry in self.entries if entry.is_in_force(at)), None)

    def cleared(self, at: int) -> int:
        """Findings up to this time are forgotten."""
        return max((entry.clears(at) for entry in self.entries), default=NEVER)


NOTHING = Covering()


class Range(NamedTuple):
    """Addresses that share their first bits; an address is a range of one."""

    family: int
    length: int
    first: int


class Lists:
    """The entries of a pack's lists, ready to be looked up; never changed once made.

    Args:
        revision: Of the store that they come from; 0 where nothing was ever listed.
    """

    def __init__(self, revision: int = 0, entries: Iterable[Entry] = ()) -> None:
        self.revision = revision
        # `allow` sorts before `deny`: of two equally specific entries it stands first.
        self.entries = tuple(sorted(entries, key=lambda entry: (entry.name, entry.listed)))
        self._named: dict[str, list[Entry]] = {}
        self._ranges: dict[tuple[int, int], dict[int, list[Entry]]] = {}
        for entry in self.entries:
            self._put(entry)
        # The longest prefix first.
        self._tables = [
            (family, BITS[family] - length, table)
            for (family, length), table in sorted(self._ranges.items(), reverse=True)
        ]
        self._covered: dict[str, Covering] = {}
        self._free: set[str] = set()

    def covering(self, entity: str) -> Covering:
        """What covers an entity; `NOTHING` if nothing does."""
        if not self.entries:
            return NOTHING
        if entity in self.covered((entity,)):
            return self._covered[entity]
        return NOTHING

    def covered(self, entities: Collection[str]) -> set[str]:
        """Those of some entities that any entry covers, whatever its time."""
        if not self.entries:
            return set()
        if len(self._free) + len(self._covered) > REMEMBERED:
            self._free, self._covered = set(), {}
        for entity in entities:
            if entity not in self._free and entity not in self._covered:
                self._classify(entity)
        return set(filter(self._covered.__contains__, entities))

    def _classify(self, entity: str) -> None:
        if found := self._look_up(entity):
            self._covered[entity] = Covering(tuple(found))
        else:
            self._free.add(entity)

    def _put(self, entry: Entry) -> None:
        if (span := range_of(entry.name)) is None:
            self._named.setdefault(entry.name, []).append(entry)
        else:
            table = self._ranges.setdefault((span.family, span.length), {})
            table.setdefault(span.first >> (BITS[span.family] - span.length), []).append(entry)

    def _look_up(self, entity: str) -> Sequence[Entry]:
        if (address := address_of(entity)) is None:
            return self._named.get(entity, ())
        of, bits = address
        return [
            entry
            for family, shift, table in self._tables
            if family == of
            for entry in table.get(bits >> shift, ())
        ]


NO_LISTS = Lists()


def canonical(text: str) -> str:
    """An entry as it is kept: `::ffff:203.0.113.7` is `203.0.113.7`, `2001:DB8::/32` in lower case.

    Raises:
        InvalidEntry: It is neither an address, nor a range, nor the name of an entity.
    """
    name = text.strip()
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise InvalidEntry(f"entry: must be 1 to {LONGEST_NAME} printable characters, got {text!r}")
    if not LIKE_AN_ADDRESS.fullmatch(name.partition("/")[0]):
        return name
    network = unmapped(_network(name))
    if network.prefixlen == 0:
        raise InvalidEntry(f"entry: must not cover every address, got {name}")
    single = network.prefixlen == network.max_prefixlen
    return str(network.network_address if single else network)


def _network(name: str) -> IPv4Network | IPv6Network:
    try:
        found = ip_network(name, strict=False)
    except ValueError:
        raise InvalidEntry(
            "entry: must be an address (203.0.113.7, 2001:db8::1), a range (203.0.113.0/24) or"
            f" another name, got {name}"
        ) from None
    if ip_address(name.partition("/")[0]) != found.network_address:
        raise InvalidEntry(f"entry: a range starts at its first address: {found}, got {name}")
    return found


def unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """The IPv4 range behind one that is mapped into IPv6."""
    packed = network.network_address.packed
    if network.prefixlen < MAPPED_BITS or not packed.startswith(MAPPED):
        return network
    return IPv4Network((packed[len(MAPPED) :], network.prefixlen - MAPPED_BITS))


def range_of(name: str) -> Range | None:
    """The addresses behind a canonical entry; None for another entity's name."""
    start, slash, length = name.partition("/")
    if (address := address_of(start)) is None or (slash and not length.isdecimal()):
        return None
    family, first = address
    return Range(family, int(length) if slash else BITS[family], first)


def address_of(entity: str) -> tuple[int, int] | None:
    """Family (4 or 6) and bits of an address as text; None for any other entity."""
    try:
        if ":" not in entity:
            return 4, int.from_bytes(inet_pton(AF_INET, entity))
        packed = inet_pton(AF_INET6, entity)
    except (OSError, ValueError):
        return None
    if packed.startswith(MAPPED):
        return 4, int.from_bytes(packed[len(MAPPED) :])
    return 6, int.from_bytes(packed)
