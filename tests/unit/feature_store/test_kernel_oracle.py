"""The kernel against the brute force of `oracle.py`, in every regime."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.columns import Floats
from feature_store.kernel import WindowKernel
from tests.unit.feature_store import oracle
from tests.unit.feature_store.streams import (
    LONGEST,
    SECOND,
    declared,
    entities,
    event,
    folded,
    inputs,
    retained,
    streams,
)

SMALL = {capacity: WindowKernel(declared(capacity)) for capacity in (1, 4)}
LARGE = WindowKernel(declared(64, 128))
ROUNDED = ("_mean_", "_std_")


def assert_equal(kernel: WindowKernel, events: Sequence[oracle.Event], features: Floats) -> None:
    expected = oracle.features_of(kernel.declaration, events)
    for j, (row, wanted) in enumerate(zip(features, expected, strict=True)):
        for name, value, want in zip(kernel.names, row, wanted or [np.nan] * len(row), strict=True):
            tolerance = 1e-12 if any(part in name for part in ROUNDED) else 0.0
            assert value == pytest.approx(want, rel=tolerance, abs=0, nan_ok=True), (j, name)


@pytest.mark.parametrize("capacity", [1, 4])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_features_of_any_stream_are_those_of_the_brute_force(
    capacity: int, data: st.DataObject
) -> None:
    events = data.draw(streams())
    _, features = folded(SMALL[capacity], events)

    assert_equal(SMALL[capacity], events, features)


@settings(max_examples=60, deadline=None)
@given(retained())
def test_features_within_retention_are_those_of_the_brute_force(
    events: list[oracle.Event],
) -> None:
    _, features = folded(SMALL[4], events)

    assert_equal(SMALL[4], events, features)


@pytest.mark.parametrize("count", [63, 64, 65, 192])
@pytest.mark.parametrize("shuffled", [False, True], ids=["ordered", "shuffled"])
def test_around_the_real_capacity(count: int, shuffled: bool) -> None:
    rng = np.random.default_rng(count)
    at = np.sort(rng.integers(0, LONGEST // SECOND, count)) * SECOND
    if shuffled:
        rng.shuffle(at)
    events = [
        event(int(t), int(size), int(key), int(key) % 5)
        for t, size, key in zip(
            at, rng.integers(0, 200, count), rng.integers(0, 200, count), strict=True
        )
    ]
    _, features = folded(LARGE, events, chunk=50)

    assert_equal(LARGE, events, features)


@settings(max_examples=60, deadline=None)
@given(streams(entities=1), st.integers(-LONGEST, 3 * LONGEST))
def test_reading_at_any_instant_is_the_brute_force_without_an_event(
    events: list[oracle.Event], after: int
) -> None:
    kernel = SMALL[4]
    states, _ = folded(kernel, events)
    brute = oracle.Entity(kernel.declaration)
    for one in events:
        brute.fold(one)
    at = brute.newest + after

    (row,) = kernel.read(states, np.array([at]))

    assert row == pytest.approx(brute.read(at), rel=1e-12, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(streams(entities=1))
def test_reading_at_the_newest_event_is_what_that_event_saw(events: list[oracle.Event]) -> None:
    kernel = SMALL[4]
    ordered = sorted(events, key=lambda one: one.at)
    states, features = folded(kernel, ordered)

    read = kernel.read(states, np.array([ordered[-1].at]))

    np.testing.assert_array_equal(read, features[-1:])


def test_late_events_are_marked_and_not_folded() -> None:
    kernel = SMALL[4]
    events = [event(0), event(-LONGEST), event(-LONGEST - 1)]
    first = kernel.fold([b""], entities(events), inputs(events))
    again = kernel.fold(first.states, entities(events[2:]), inputs(events[2:]))

    assert first.late.tolist() == [False, False, True]
    assert np.isnan(first.features[2]).all()
    assert again.states == first.states
