"""The text kernels against the libraries whose answers they must equal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.columns import TextColumn
from feature_store.text import END, INVALID_TIME, START, Automaton, hash64, marks, parse_times

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
untimed = settings(deadline=None)  # the first call compiles


def micros(text: str) -> int:
    return int(parse_times(TextColumn.of([text]))[0])


@untimed
@given(st.lists(st.text(max_size=100)))
def test_hash_equals_that_of_the_xxhash_library(strings: list[str]) -> None:
    hashes = hash64(TextColumn.of(strings))

    assert hashes.tolist() == [xxhash.xxh64_intdigest(text.encode()) for text in strings]


@pytest.mark.parametrize("length", [0, 1, 3, 4, 7, 8, 31, 32, 33, 63, 64, 65, 1_000])
def test_hash_is_right_at_the_edges_of_its_stripes(length: int) -> None:
    text = ("0123456789abcdef" * 100)[:length]

    assert hash64(TextColumn.of(["x", text]))[1] == xxhash.xxh64_intdigest(text.encode())


zones = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda m: timezone(timedelta(minutes=m)))
moments = st.datetimes(
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001 (Hypothesis adds the zone)
    max_value=datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=zones,
)


@untimed
@given(moments, st.sampled_from(["auto", "seconds", "milliseconds"]), st.sampled_from("Tt "))
def test_times_equal_those_of_the_datetime_module(
    moment: datetime, precision: str, separator: str
) -> None:
    text = moment.isoformat(sep=separator, timespec=precision)

    expected = (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)
    assert micros(text) == expected


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-11-21T03:00:00z", "2026-11-21T03:00:00Z"),
        ("2026-11-21T03:00:00.5Z", "2026-11-21T03:00:00.500000Z"),
        ("2026-11-21T03:00:00.123456789Z", "2026-11-21T03:00:00.123456Z"),
        ("2026-11-21T03:00:00-00:00", "2026-11-21T03:00:00Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
        ("2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z"),
    ],
)
def test_other_spellings_of_a_time_are_read(text: str, same: str) -> None:
    assert micros(text) == (datetime.fromisoformat(same) - EPOCH) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-21",
        "2026-11-21T03:00:00",
        "2026-11-21T03:00Z",
        "2026-11-21T03:00:00.Z",
        "2026-11-21T03:00:00.1234567890Z",
        "2026-11-21T03:00:00+0200",
        "2026-11-21T03:00:00+24:00",
        "2026-11-21T03:00:00+02:60",
        "2026-11-21T03:00:00 +02:00",
        "2026-11-21T24:00:00Z",
        "2026-11-21T03:60:00Z",
        "2026-11-21T03:00:60Z",
        "2026-00-21T03:00:00Z",
        "2026-13-21T03:00:00Z",
        "2026-11-00T03:00:00Z",
        "2026-11-31T03:00:00Z",
        "2026-02-29T03:00:00Z",
        "2100-02-29T03:00:00Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "2026-1a-21T03:00:00Z",
        "2026-11-21X03:00:00Z",
        "2026-11-21T03:00:00Zjunk",
    ],
)
def test_what_is_not_an_rfc_3339_time_is_invalid(text: str) -> None:
    assert micros(text) == INVALID_TIME


@untimed
@given(st.lists(st.text(alphabet="0123456789-:TZ+. ", max_size=36)))
def test_no_text_breaks_the_parser(texts: list[str]) -> None:
    assert len(parse_times(TextColumn.of(texts))) == len(texts)


def found(text: str, **groups: list[str]) -> set[str]:
    automaton = Automaton.of(groups)
    seen = marks(TextColumn.of(["before", text, "after"]), automaton)
    return {group for group in groups if automaton.held(seen)[group][1]}


@untimed
@given(
    st.lists(st.text(alphabet="abc", min_size=1, max_size=4), min_size=1, max_size=12),
    st.text(alphabet="abcd", max_size=40),
)
def test_marks_equal_a_search_for_each_pattern(patterns: list[str], text: str) -> None:
    groups = {str(i): [pattern] for i, pattern in enumerate(patterns)}

    assert found(text, **groups) == {name for name, (p,) in groups.items() if p in text}


@untimed
@given(st.text(max_size=20), st.text(alphabet="<>'é/.", min_size=1, max_size=5))
def test_an_encoded_pattern_is_found_as_well_as_a_plain_one(before: str, pattern: str) -> None:
    text = before.replace("%", "").replace("+", "") + quote(pattern, safe="")

    assert found(text, group=[pattern]) == {"group"}


@pytest.mark.parametrize(
    ("text", "pattern", "is_found"),
    [
        ("/A?UNION SELECT", "union select", True),
        ("/a?union+select", "union select", True),
        ("/union+select", "union select", False),
        ("/%2e%2E/", "/../", True),
        ("/%252e%252e/", "/../", False),
        ("/100%", "100%", True),
        ("/%zz", "%zz", True),
        ("/admin", f"{START}/admin", True),
        ("/x/admin", f"{START}/admin", False),
        ("/x/.env", f"/.env{END}", True),
        ("/.environment", f"/.env{END}", False),
        ("/%02/admin", f"{START}/admin", False),
        ("", f"{START}{END}", True),
    ],
)
def test_a_text_is_read_lower_cased_and_decoded_once(
    text: str, pattern: str, is_found: bool
) -> None:
    assert bool(found(text, group=[pattern])) is is_found
