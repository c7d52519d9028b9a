"""Which access events may be folded, and what is said about the others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from models.packs.access.columns import LARGEST_BODY, check, columns, has, valid
from models.packs.access.events import AccessEvent
from tests.unit.models.packs.access.judging import request


@pytest.mark.parametrize(
    ("field", "kept", "broken", "rule"),
    [
        ("occurred_at", "2025-03-03T12:00:00Z", "2025-03-03T12:00:00", "RFC 3339"),
        ("client_ip", "x", "", "client_ip must not be empty"),
        ("client_ip", "x" * 256, "x" * 257, "at most 256 characters, got 257"),
        ("status", 100, 99, "status must be 100 to 999, got 99"),
        ("status", 999, 1_000, "got 1000"),
        ("status", 200, 10**30, "got 1000000000000000000000000000000"),
        ("bytes", 0, -1, "bytes must be"),
        ("bytes", LARGEST_BODY, LARGEST_BODY + 1, "bytes must be"),
        ("path", "é" * 16_384, "é" * 16_385, "path must have at most"),
        ("method", "M" * 64, "M" * 65, "method must have at most"),
        ("referrer", "r" * 16_384, "r" * 16_385, "referrer must have at most"),
        ("user_agent", "u" * 8_192, "u" * 8_193, "user_agent must have at most"),
        ("event_id", "i" * 256, "i" * 257, "event_id must have at most"),
    ],
)
def test_an_event_is_refused_just_beyond_the_edge_of_a_rule(
    field: str, kept: object, broken: object, rule: str
) -> None:
    inside = replace(request(), **{field: kept})
    outside = replace(request(), **{field: broken})
    reason = check(outside) or ""

    assert check(inside) is None
    assert rule in reason
    assert reason.startswith("access: ")
    assert valid(columns([inside, outside])).tolist() == [True, False]


texts = st.text(max_size=5)
anything = st.builds(
    AccessEvent,
    occurred_at=st.sampled_from(["2025-03-03T12:00:00Z", "2025-02-30T12:00:00Z", ""]),
    client_ip=st.sampled_from(["192.0.2.1", "", "x" * 300]),
    method=texts,
    path=texts,
    status=st.one_of(st.integers(), st.integers(90, 110)),
    bytes=st.one_of(st.integers(), st.integers(-1, 1)),
    user_agent=texts,
)


@settings(deadline=None)
@given(st.lists(anything, max_size=8))
def test_valid_and_check_agree(events: list[AccessEvent]) -> None:
    assert valid(columns(events)).tolist() == [check(event) is None for event in events]


def test_the_columns_of_no_events_are_empty() -> None:
    assert len(valid(columns([]))) == 0


def test_assets_are_told_from_pages() -> None:
    paths = ["/a.png", "/a.CSS?v=2", "/a.html", "/js", "/a.json", "/archive.pngs"]

    is_asset = has(columns([request(path) for path in paths]), "asset")

    np.testing.assert_array_equal(is_asset, [True, True, False, False, False, False])
