"""Which entry decides about an entity: against every entry in turn, and edge by edge."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.errors import InvalidEntry
from models.lists import NEVER, Entry, Listed, Lists, canonical

NOON, HOUR = 1_780_000_000_000_000, 3_600_000_000


def allow(name: str, until: int | None = None) -> Entry:
    return Entry("allow", name, NOON, until)


def deny(name: str, until: int | None = None) -> Entry:
    return Entry("deny", name, NOON, until)


def decides(entity: str, *entries: Entry, at: int = NOON) -> Entry | None:
    return Lists(1, entries).covering(entity).at(at)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7 ", "203.0.113.7"),
        ("203.0.113.7/32", "203.0.113.7"),
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("203.0.113.0/255.255.255.0", "203.0.113.0/24"),
        ("2001:DB8::1", "2001:db8::1"),
        ("2001:0db8:0:0:0:0:0:1", "2001:db8::1"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("2001:db8::1/128", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::FFFF:cb00:7107", "203.0.113.7"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ("web-1.example.org", "web-1.example.org"),
        ("12345", "12345"),
        ("customer/77", "customer/77"),
        ("aa:bb:cc:dd:ee:ff", "aa:bb:cc:dd:ee:ff"),
        ("fe80::1%eth0", "fe80::1%eth0"),
    ],
)
def test_an_entry_is_kept_in_one_way_of_writing(text: str, kept: str) -> None:
    assert canonical(text) == kept


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "1 to 200 printable characters"),
        ("x" * 201, "1 to 200 printable characters"),
        ("a\nb", "1 to 200 printable characters"),
        ("203.0.113.300", "must be an address"),
        ("203.0.113", "must be an address"),
        ("203.0.113.*", "must be an address"),
        ("203.0.113.7-9", "must be an address"),
        ("203.0.113.7:443", "must be an address"),
        ("203.0.113.07", "must be an address"),
        ("2001:db8::1::2", "must be an address"),
        ("203.0.113.0/33", "must be an address"),
        ("203.0.113.0/", "must be an address"),
        ("2001:db8::/129", "must be an address"),
        ("203.0.113.7/24", "starts at its first address: 203.0.113.0/24, got 203.0.113.7/24"),
        ("2001:db8::1/32", "starts at its first address: 2001:db8::/32"),
        ("0.0.0.0/0", "must not cover every address"),
        ("::/0", "must not cover every address"),
        ("::ffff:0:0/96", "must not cover every address"),
    ],
)
def test_a_bad_entry_is_refused_with_the_rule_that_it_breaks(text: str, rule: str) -> None:
    with pytest.raises(InvalidEntry, match="entry: ") as refused:
        canonical(text)

    assert rule in str(refused.value)


@pytest.mark.parametrize(
    ("entity", "entry", "is_covered"),
    [
        ("203.0.113.7", "203.0.113.7", True),
        ("203.0.113.8", "203.0.113.7", False),
        ("203.0.113.0", "203.0.113.0/24", True),
        ("203.0.113.255", "203.0.113.0/24", True),
        ("203.0.112.255", "203.0.113.0/24", False),
        ("203.0.114.0", "203.0.113.0/24", False),
        ("::ffff:203.0.113.7", "203.0.113.0/24", True),
        ("::203.0.113.7", "203.0.113.0/24", False),
        ("2001:DB8:0::9", "2001:db8::/32", True),
        ("2001:db9::", "2001:db8::/32", False),
        ("web-1", "web-1", True),
        ("web-10", "web-1", False),
        ("WEB-1", "web-1", False),
        ("", "web-1", False),
        ("203.0.113.7 ", "203.0.113.7", False),
        ("a\0b", "web-1", False),
    ],
)
def test_what_an_entry_covers(entity: str, entry: str, is_covered: bool) -> None:
    assert (decides(entity, deny(entry)) is not None) is is_covered


def test_a_range_of_ipv6_never_covers_an_ipv4_address() -> None:
    assert decides("203.0.113.7", deny("::/1")) is None
    assert decides("::ffff:203.0.113.7", deny("::/1")) is None


def test_an_allow_entry_cuts_a_hole_in_a_denied_range() -> None:
    entries = deny("203.0.113.0/24"), allow("203.0.113.64/28")

    assert decides("203.0.113.70", *entries) == entries[1]
    assert decides("203.0.113.80", *entries) == entries[0]


def test_a_deny_entry_singles_out_an_address_of_an_allowed_range() -> None:
    entries = allow("203.0.113.0/24"), deny("203.0.113.7")

    assert decides("203.0.113.7", *entries) == entries[1]
    assert decides("203.0.113.8", *entries) == entries[0]


@pytest.mark.parametrize("name", ["203.0.113.0/24", "203.0.113.7", "2001:db8::/32", "web-1"])
def test_of_equals_allow_decides(name: str) -> None:
    entity = name.partition("/")[0]

    assert decides(entity, deny(name), allow(name)) == allow(name)


@pytest.mark.parametrize(("at", "is_in_force"), [(-1, True), (0, False), (1, False)])
def test_an_entry_ends_by_the_events_own_time(at: int, is_in_force: bool) -> None:
    entry = deny("203.0.113.7", until=NOON + HOUR)

    assert (decides("203.0.113.7", entry, at=NOON + HOUR + at) is not None) is is_in_force


def test_behind_an_entry_that_has_ended_the_next_decides() -> None:
    entries = allow("203.0.113.7", until=NOON), deny("203.0.113.0/24")

    assert decides("203.0.113.7", *entries, at=NOON - 1) == entries[0]
    assert decides("203.0.113.7", *entries, at=NOON) == entries[1]


def test_a_removed_entry_decides_nothing() -> None:
    left = Entry("cleared", "203.0.113.7", NOON, NOON)

    assert decides("203.0.113.7", left, at=NOON - HOUR) is None
    assert decides("203.0.113.7", left, deny("203.0.113.0/24")) == deny("203.0.113.0/24")


@pytest.mark.parametrize(
    ("entry", "at", "cleared"),
    [
        (Entry("cleared", "203.0.113.0/24", NOON, NOON), NOON + HOUR, NOON),
        (Entry("cleared", "203.0.113.0/24", NOON, NOON), NOON - HOUR, NOON),
        (allow("203.0.113.0/24", until=NOON), NOON, NOON),
        (allow("203.0.113.0/24", until=NOON), NOON - 1, NEVER),
        (allow("203.0.113.0/24"), NOON, NEVER),
        (deny("203.0.113.0/24", until=NOON), NOON + HOUR, NEVER),
        (Entry("cleared", "198.51.100.0/24", NOON, NOON), NOON + HOUR, NEVER),
    ],
    ids=["removed", "removed later", "ended", "not ended", "endless", "deny", "of others"],
)
def test_what_was_allowed_once_is_cleared_up_to_the_end(
    entry: Entry, at: int, cleared: int
) -> None:
    assert Lists(1, [entry]).covering("203.0.113.7").cleared(at) == cleared


NETWORKS = st.sampled_from([
    "0.0.0.0/1", "203.0.112.0/23", "203.0.113.0/24", "203.0.113.0/25", "203.0.113.128/25",
    "203.0.113.4/30", "203.0.113.7", "203.0.113.6", "2001:db8::/31", "2001:db8::/32",
    "2001:db8::/127", "2001:db8::1", "::/1", "::203.0.113.7", "web-1", "203.0.113.a",
])  # fmt: skip
ENTITIES = st.sampled_from([
    "203.0.113.7", "203.0.113.6", "203.0.113.4", "203.0.113.200", "203.0.112.1", "9.9.9.9",
    "::ffff:203.0.113.7", "::ffff:cb00:7106", "::203.0.113.7", "2001:db8::", "2001:db8::1",
    "2001:DB8::2", "2001:db9::1", "web-1", "web-2", "203.0.113.a",
])  # fmt: skip
KINDS = st.sampled_from(["allow", "deny", "cleared"])
ENDS = st.one_of(st.none(), st.integers(NOON - 2, NOON + 2))


def oracle(entity: str, entries: list[Entry], at: int) -> tuple[Listed, str] | None:
    """The rule of the docstring, entry by entry, by the standard library."""
    covering = []
    for entry in entries:
        is_over = entry.until_us is not None and at >= entry.until_us
        if entry.listed != "cleared" and not is_over and (length := covers(entry.name, entity)):
            covering.append((length, entry.listed == "allow", entry))
    if not covering:
        return None
    entry = max(covering, key=lambda each: each[:2])[2]
    return entry.listed, entry.name


def covers(name: str, entity: str) -> int:
    """One more than the bits that an entry has in common with what it covers, else 0."""
    try:
        network, address = ip_network(name), unmapped(entity)
    except ValueError:
        return int(name == entity)
    return 1 + network.prefixlen if address in network else 0


def unmapped(entity: str) -> IPv4Address | IPv6Address:
    address = ip_address(entity)
    return getattr(address, "ipv4_mapped", None) or address


@given(
    st.lists(st.tuples(KINDS, NETWORKS, ENDS), max_size=12),
    st.lists(ENTITIES, min_size=1, max_size=6),
    st.integers(NOON - 3, NOON + 3),
)
@example([("deny", "::/1", None), ("deny", "0.0.0.0/1", None)], ["::ffff:203.0.113.7"], NOON)
def test_the_entry_that_decides_is_the_most_specific_one_in_force(
    given: list[tuple[Listed, str, int | None]], entities: list[str], at: int
) -> None:
    unique = {(listed, name): Entry(listed, name, 0, until) for listed, name, until in given}
    lists = Lists(1, unique.values())

    for entity in entities:
        found = lists.covering(entity).at(at)
        expected = oracle(entity, list(unique.values()), at)
        assert (found and (found.listed, found.name)) == expected


@given(st.lists(st.tuples(KINDS, NETWORKS), max_size=8), st.sets(ENTITIES))
def test_covered_are_all_that_any_entry_covers(
    given: list[tuple[Listed, str]], entities: set[str]
) -> None:
    lists = Lists(1, [Entry(listed, name, 0, NOON) for listed, name in given])

    for _ in range(2):  # the second time from memory
        found = lists.covered(entities)
        assert found == {e for e in entities if any(covers(name, e) for _, name in given)}


def test_forgetting_the_looked_up_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.lists.REMEMBERED", 2)
    lists = Lists(1, [deny("203.0.113.0/24")])
    asked = {f"203.0.{third}.7" for third in range(110, 116)}

    assert [lists.covered(asked) for _ in range(3)] == [{"203.0.113.7"}] * 3
