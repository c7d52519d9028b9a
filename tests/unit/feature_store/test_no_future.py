"""No feature of the past changes when the future is cut off: training cannot look ahead."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.columns import Columns, Floats
from feature_store.kernel import WindowKernel
from feature_store.offline import EPOCH, OfflineStore, features_of
from models.packs.access import PACK
from tests.unit.feature_store.oracle import Event
from tests.unit.feature_store.streams import declared, folded, retained, streams

EVENTS = 3_000
CUTS = (1, 700, 1_500, 2_999)

KERNEL = WindowKernel(declared())
ROOMY = WindowKernel(declared(capacity=64, distinct_capacity=64, gap=False))


@cache
def traffic(count: int = EVENTS) -> Columns:
    """The first events of a simulated day; attackers and visitors take turns in them."""
    pairs = list(PACK.simulate(7, EVENTS))
    return PACK.columns([event for event, _ in pairs[:count]])


@cache
def features() -> Floats:
    return features_of(PACK.features, traffic())


def same(one: Floats, other: Floats) -> bool:
    """To the last bit; unknown equals unknown."""
    return one.tobytes() == other.tobytes()


@settings(deadline=None)
@given(streams(), st.integers(0, 30))
def test_online_the_rest_of_a_chunk_changes_no_feature_before_it(
    events: Sequence[Event], cut: int
) -> None:
    whole = folded(KERNEL, events)[1]

    assert same(whole[:cut], folded(KERNEL, events[:cut])[1])


@settings(deadline=None)
@given(streams(), st.integers(1, 30))
def test_online_the_chunks_that_follow_change_no_feature_before_them(
    events: Sequence[Event], chunk: int
) -> None:
    in_chunks = folded(KERNEL, events, chunk)[1]

    for cut in range(len(events)):
        assert same(in_chunks[:cut], folded(KERNEL, events[:cut], chunk)[1])


@settings(deadline=None)
@given(retained())
def test_what_happens_later_but_came_earlier_changes_no_feature(events: list[Event]) -> None:
    last = events[-1]
    past = [event for event in events[:-1] if event.at <= last.at]

    assert same(folded(ROOMY, events)[1][-1], folded(ROOMY, [*past, last])[1][-1])


@pytest.mark.parametrize("cut", CUTS)
def test_offline_the_rest_of_a_stream_changes_no_feature_before_it(cut: int) -> None:
    assert same(features_of(PACK.features, traffic(cut)), features()[:cut])


@pytest.mark.parametrize("cut", CUTS)
def test_a_store_read_until_a_time_gives_the_features_of_that_time(
    cut: int, tmp_path: Path
) -> None:
    store = OfflineStore(tmp_path)
    store.append("all", traffic())
    until = EPOCH + timedelta(microseconds=int(traffic().at[cut]))
    before = int(np.searchsorted(traffic().at, traffic().at[cut]))

    stored = store.read(until=until)
    assert len(stored) == before
    assert same(features_of(PACK.features, stored), features()[:before])


@pytest.mark.parametrize("cut", CUTS)
def test_a_store_that_has_seen_the_future_gives_the_past_the_same_features(
    cut: int, tmp_path: Path
) -> None:
    seen, unseen = OfflineStore(tmp_path / "seen"), OfflineStore(tmp_path / "unseen")
    unseen.append("a", traffic(cut))
    seen.append("a", traffic(cut))
    seen.append("b", traffic())

    assert same(
        features_of(PACK.features, seen.read())[:cut],
        features_of(PACK.features, unseen.read()),
    )
