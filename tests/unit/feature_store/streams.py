"""Declarations and streams of events that the kernel's tests share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from hypothesis import strategies as st

from feature_store.columns import Floats
from feature_store.definitions import (
    GAP,
    Aggregate,
    Distinct,
    FeatureSet,
    Filter,
    Value,
    WindowFeature,
    over_windows,
)
from feature_store.kernel import EventInputs, WindowKernel
from tests.unit.feature_store.oracle import Event

SECOND = 1_000_000
WINDOWS = (timedelta(seconds=24), timedelta(minutes=4), timedelta(seconds=1000))
LONGEST = 1000 * SECOND
START = 1_800_000_000 * SECOND


def declared(capacity: int = 4, distinct_capacity: int = 6, *, gap: bool = True) -> FeatureSet:
    """Every aggregate over three windows, filtered and not."""
    features: list[WindowFeature] = [
        *over_windows("e_n", Aggregate.COUNT, WINDOWS),
        *over_windows("e_odd", Aggregate.COUNT, WINDOWS, where="odd"),
        *over_windows("e_odd", Aggregate.SHARE, WINDOWS, where="odd"),
        *over_windows("e_key", Aggregate.DISTINCT, WINDOWS, value="key"),
        *over_windows("e_oddkey", Aggregate.DISTINCT, WINDOWS, value="key", where="odd"),
        *over_windows("e_word", Aggregate.DISTINCT, WINDOWS, value="word"),
        *over_windows("e_bigsize", Aggregate.MAX, WINDOWS, value="size", where="big"),
    ]
    numeric = (Aggregate.SUM, Aggregate.MEAN, Aggregate.STD, Aggregate.MIN, Aggregate.MAX)
    for aggregate in numeric:
        features += over_windows("e_size", aggregate, WINDOWS, value="size")
        if gap:
            features += over_windows("e_gap", aggregate, WINDOWS, value=GAP)
    return FeatureSet(
        entity="e",
        key="entity",
        features=tuple(features),
        values=(Value("size", lambda event: event.size),),
        filters=(
            Filter("odd", lambda event: event.size % 2 == 1),
            Filter("big", lambda event: event.size > 100),
        ),
        distincts=(
            Distinct("key", lambda event: event.key),
            Distinct("word", lambda event: event.word),
        ),
        capacity=capacity,
        distinct_capacity=distinct_capacity,
    )


def event(at: int, size: int = 1, key: int = 0, word: int = 0, entity: int = 0) -> Event:
    """An event `at` microseconds after START."""
    return Event(START + at, entity, (size,), (size % 2 == 1, size > 100), (key, word))


sizes = st.one_of(st.integers(-3, 3), st.integers(-(2**40), 2**40), st.integers(99, 103))
keys = st.integers(0, 9).map(lambda key: key * 0x1999_9999)
steps = st.one_of(
    st.integers(0, 3).map(lambda n: n * SECOND),
    st.integers(0, 50 * SECOND),
    st.sampled_from((0, 1, 24 * SECOND, 240 * SECOND, LONGEST, LONGEST + 1, 2 * LONGEST, 10**15)),
)


@st.composite
def streams(draw: st.DrawFn, *, max_events: int = 30, entities: int = 2) -> list[Event]:
    """Events in offset order: bursts, silences, stragglers, late ones, and a bad clock or two."""
    at, found = 0, []
    for _ in range(draw(st.integers(1, max_events))):
        at += draw(steps)
        behind = draw(st.one_of(st.just(0), st.just(0), st.integers(0, LONGEST + SECOND), steps))
        found.append(
            event(
                at - behind,
                draw(sizes),
                draw(keys),
                draw(keys),
                draw(st.integers(0, entities - 1)),
            )
        )
    return found


@st.composite
def retained(draw: st.DrawFn, *, max_events: int = 30) -> list[Event]:
    """Events of one entity, all within the longest window, in any order."""
    times = st.one_of(st.integers(0, 30).map(lambda n: n * SECOND), st.integers(0, LONGEST))
    one = st.builds(event, times, sizes, keys, keys)
    return draw(st.lists(one, min_size=1, max_size=max_events))


def inputs(events: Sequence[Event]) -> EventInputs:
    flags = [sum(1 << i for i, flag in enumerate(e.flags) if flag) for e in events]
    return EventInputs(
        np.array([e.at for e in events], np.int64),
        np.array(flags, np.uint64),
        np.array([e.values for e in events], np.int64).reshape(len(events), 1),
        np.array([e.hashes for e in events], np.uint32).reshape(len(events), 2),
    )


def entities(events: Sequence[Event]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array([e.entity for e in events], np.int32)


def folded(
    kernel: WindowKernel, events: Sequence[Event], chunk: int | None = None
) -> tuple[list[bytes], Floats]:
    """Fold a stream in chunks: final states by entity, and every event's features."""
    states = [b""] * (max((e.entity for e in events), default=0) + 1)
    rows = [np.empty((0, len(kernel.names)))]
    size = chunk or len(events) or 1
    for start in range(0, len(events), size):
        part = events[start : start + size]
        outcome = kernel.fold(states, entities(part), inputs(part))
        states, rows = outcome.states, [*rows, outcome.features]
    return states, np.concatenate(rows)
