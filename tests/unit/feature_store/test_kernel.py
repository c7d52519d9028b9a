"""Promises of the kernel that need no second implementation to check."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.columns import Columns, Floats, TextColumn
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
from feature_store.state import UnreadableState
from feature_store.text import hash64
from tests.unit.feature_store.oracle import Event
from tests.unit.feature_store.streams import (
    LONGEST,
    SECOND,
    WINDOWS,
    declared,
    entities,
    event,
    folded,
    inputs,
    retained,
    streams,
)

KERNEL = WindowKernel(declared())
ORDERLESS = WindowKernel(declared(gap=False))


def features_by_name(kernel: WindowKernel, row: Floats) -> dict[str, float]:
    return dict(zip(kernel.names, row.tolist(), strict=True))


def only(feature: WindowFeature, **more: object) -> WindowKernel:
    values = (Value("size", lambda e: e.size),)
    return WindowKernel(FeatureSet("e", "entity", (feature,), values, **more))  # type: ignore[arg-type]


@settings(max_examples=100, deadline=None)
@given(streams(), st.integers(1, 30))
def test_any_cutting_into_chunks_gives_the_same_bits(events: list[Event], chunk: int) -> None:
    states, features = folded(KERNEL, events)
    cut_states, cut_features = folded(KERNEL, events, chunk)

    assert cut_states == states
    assert cut_features.tobytes() == features.tobytes()


@settings(max_examples=150, deadline=None)
@given(retained(), st.randoms(use_true_random=False), st.integers(1, 30))
def test_any_order_within_retention_gives_the_same_final_state(
    events: list[Event], random: object, chunk: int
) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis's Random is untyped

    assert folded(ORDERLESS, shuffled, chunk)[0] == folded(ORDERLESS, events)[0]


@settings(max_examples=100, deadline=None)
@given(streams(entities=3))
def test_entities_do_not_see_each_other(events: list[Event]) -> None:
    states, features = folded(KERNEL, events)

    for entity in range(len(states)):
        own = [j for j, one in enumerate(events) if one.entity == entity]
        alone, rows = folded(KERNEL, [events[j] for j in own])
        if own:
            assert alone[-1] == states[entity]
        assert rows.tobytes() == features[own].tobytes()


@settings(max_examples=100, deadline=None)
@given(streams(entities=1))
def test_a_state_survives_being_unpacked_and_packed(events: list[Event]) -> None:
    states, _ = folded(KERNEL, events)
    newest = max(e.at for e in events)
    too_late = [replace(event(0), at=newest - LONGEST - 1)]

    outcome = KERNEL.fold(states, entities(too_late), inputs(too_late))

    assert outcome.late.all()
    assert outcome.states == states


def test_a_given_order_is_the_one_the_kernel_would_find() -> None:
    events = [event(i * SECOND, i, entity=i * 7 % 3) for i in range(20)]
    order = np.argsort(entities(events), kind="stable")
    found = KERNEL.fold([b""] * 3, entities(events), inputs(events))
    given_order = KERNEL.fold([b""] * 3, entities(events), inputs(events), order)

    assert given_order.states == found.states
    assert given_order.features.tobytes() == found.features.tobytes()


def test_an_untouched_entity_keeps_its_state() -> None:
    (state,), _ = folded(KERNEL, [event(0)])
    outcome = KERNEL.fold([state, b""], np.array([1], np.int32), inputs([event(5)]))

    assert outcome.states[0] == state


def test_an_empty_chunk_changes_nothing() -> None:
    outcome = KERNEL.fold([b""], entities([]), inputs([]))

    assert outcome.states == [b""]
    assert outcome.features.shape == (0, len(KERNEL.names))


def test_an_unseen_entity_has_counts_of_zero_and_nothing_else_known() -> None:
    (row,) = KERNEL.read([b""], np.array([event(0).at]))
    known = {name: value for name, value in features_by_name(KERNEL, row).items()}

    for name, value in known.items():
        is_zero = any(part in name for part in ("_count_", "_sum_", "_distinct_"))
        assert value == 0.0 if is_zero else math.isnan(value), name


def test_a_first_event_has_a_mean_but_no_deviation_and_no_gap() -> None:
    _, features = folded(KERNEL, [event(0, 8)])
    row = features_by_name(KERNEL, features[0])

    assert row["e_size_mean_24s"] == 8.0
    assert math.isnan(row["e_size_std_24s"])
    assert math.isnan(row["e_gap_mean_24s"])
    assert row["e_gap_sum_24s"] == 0.0


@pytest.mark.parametrize(
    ("behind", "expected"),
    [(0, 2.0), (24 * SECOND - 1, 2.0), (24 * SECOND, 1.0)],
    ids=["same instant", "just inside", "at the open end"],
)
def test_a_window_is_open_at_its_start(behind: int, expected: float) -> None:
    _, features = folded(KERNEL, [event(-behind), event(0)])

    assert features_by_name(KERNEL, features[1])["e_n_count_24s"] == expected


@pytest.mark.parametrize(
    ("silence", "gap"),
    [(0, 0.0), (1999, 1.0), (LONGEST, LONGEST / 1000), (LONGEST + 1, math.nan)],
    ids=["same instant", "floored to ms", "longest window", "forgotten"],
)
def test_a_gap_is_known_up_to_the_longest_window(silence: int, gap: float) -> None:
    _, features = folded(KERNEL, [event(0), event(silence)])

    assert features_by_name(KERNEL, features[1])["e_gap_max_1000s"] == pytest.approx(
        gap, nan_ok=True
    )


@pytest.mark.parametrize("silence", [LONGEST + 1, 2 * LONGEST, 10**15], ids=str)
@settings(max_examples=20, deadline=None)
@given(events=streams(entities=1))
def test_after_a_long_silence_an_entity_is_as_if_never_seen(
    silence: int, events: list[Event]
) -> None:
    states, _ = folded(KERNEL, events)
    newest = max(e.at for e in events)
    back = Event(newest + silence, 0, (5,), (True, False), (1, 2))
    seen = KERNEL.fold(states, entities([back]), inputs([back]))
    never = KERNEL.fold([b""], entities([back]), inputs([back]))

    assert seen.features.tobytes() == never.features.tobytes()
    if silence >= 2 * LONGEST:
        assert seen.states == never.states


@pytest.mark.parametrize("middle", [0, 10**9, -(10**9), 2**40 - 1], ids=str)
def test_deviation_of_large_values_that_hardly_differ_is_exact(middle: int) -> None:
    kernel = only(WindowFeature("s", Aggregate.STD, timedelta(days=1), value="size"))
    sizes = [middle + i % 3 - 1 for i in range(999)]
    at = np.arange(999, dtype=np.int64)
    chunk = EventInputs(
        at, np.zeros(999, np.uint64), np.array(sizes)[:, None], np.empty((999, 0), np.uint32)
    )
    outcome = kernel.fold([b""], np.zeros(999, np.int32), chunk)

    assert outcome.features[-1, 0] == pytest.approx(math.sqrt(666 / 998), rel=1e-15)


def test_equal_values_deviate_by_exactly_zero() -> None:
    kernel = only(WindowFeature("s", Aggregate.STD, timedelta(days=1), value="size"), capacity=2)
    events = [event(i, 2**40) for i in range(50)]
    chunk = inputs(events)
    chunk = EventInputs(chunk.at, chunk.flags, chunk.values, np.empty((50, 0), np.uint32))

    assert kernel.fold([b""], entities(events), chunk).features[-1, 0] == 0.0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda state: b"\x09" + state[1:], "has version 9, only 1 can be read"),
        (lambda state: state[:1] + b"\x00\x00" + state[3:], "under another declaration"),
        (lambda state: state[:-1], "is damaged"),
        (lambda state: state + b"\x00", "is damaged"),
        (lambda state: state[:4] + b"\xff" * 16 + state[20:], "is damaged"),
        (lambda state: state[:2], "under another declaration|is damaged"),
    ],
    ids=["version", "declaration", "cut", "longer", "overwritten", "stump"],
)
def test_an_unreadable_state_is_named(damage: Callable[[bytes], bytes], message: str) -> None:
    (state,), _ = folded(KERNEL, [event(i * SECOND, i) for i in range(40)])

    with pytest.raises(UnreadableState, match=message):
        KERNEL.read([state, damage(state)], np.zeros(2, np.int64))
    with pytest.raises(UnreadableState, match="state 1 of 2"):
        KERNEL.fold([state, damage(state)], np.array([1], np.int32), inputs([event(0)]))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_bytes_never_crash(data: st.DataObject) -> None:
    (state,), _ = folded(KERNEL, [event(i * SECOND, i, i, i) for i in range(40)])
    noise = bytearray(state)
    for _ in range(data.draw(st.integers(1, 4))):
        noise[data.draw(st.integers(3, len(noise) - 1))] = data.draw(st.integers(0, 255))
    after = event(100 * SECOND)

    with contextlib.suppress(UnreadableState):
        KERNEL.fold([bytes(noise)], entities([after]), inputs([after]))


def test_an_entity_seen_once_takes_less_than_fifty_bytes() -> None:
    (state,), _ = folded(KERNEL, [event(0, 5000)])

    assert len(state) < 50


def test_inputs_evaluate_the_declaration() -> None:
    words = TextColumn.of(["a", "é", ""])
    columns = Columns(
        {"at": np.array([1, 2, 3]), "size": np.array([7, 200, -3]), "key": words, "word": words},
        3,
    )
    found = KERNEL.inputs(columns)

    assert found.at.tolist() == [1, 2, 3]
    assert found.flags.tolist() == [1, 2, 1]
    assert found.values.tolist() == [[7], [200], [-3]]
    assert found.hashes[:, 1].tolist() == (hash64(words) & np.uint64(0xFFFFFFFF)).tolist()


@pytest.mark.parametrize("size", [2**40 + 1, -(2**40) - 1, 2**62], ids=str)
def test_a_value_out_of_range_is_refused_by_name(size: int) -> None:
    words = TextColumn.of(["a"])
    columns = {"at": np.array([1]), "size": np.array([size]), "key": words, "word": words}

    with pytest.raises(ValueError, match=f"size: must be in .* got {size}"):
        KERNEL.inputs(Columns(columns, 1))


MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ((), "declares no feature"),
        ((WindowFeature("f", Aggregate.SUM, MINUTE),), "f: sum needs a value"),
        ((WindowFeature("f", Aggregate.COUNT, MINUTE, "size"),), "f: count takes no value"),
        ((WindowFeature("f", Aggregate.SHARE, MINUTE),), "f: share needs a filter"),
        ((WindowFeature("f", Aggregate.SUM, MINUTE, "colour"),), "value 'colour' is not declared"),
        ((WindowFeature("f", Aggregate.DISTINCT, MINUTE, "size"),), "distinct 'size' is not"),
        ((WindowFeature("f", Aggregate.COUNT, MINUTE, where="red"),), "filter 'red' is not"),
        ((WindowFeature("f", Aggregate.COUNT, timedelta(microseconds=9)),), "windows must be"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_a_declaration_that_cannot_be_computed_is_refused(
    features: tuple[WindowFeature, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        WindowKernel(FeatureSet("e", "entity", features, (Value("size", lambda e: e.size),)))


def test_capacities_and_filters_have_limits() -> None:
    features = over_windows("n", Aggregate.COUNT, WINDOWS)
    words = (Distinct("word", lambda e: e.word),)
    many = tuple(Filter(f"f{i}", lambda e: e.size > 0) for i in range(64))

    with pytest.raises(ValueError, match="capacity must be >= 1, got 0"):
        WindowKernel(FeatureSet("e", "entity", features, capacity=0))
    with pytest.raises(ValueError, match=r"distinct_capacity must be >= capacity \(64\), got 8"):
        WindowKernel(FeatureSet("e", "entity", features, distincts=words, distinct_capacity=8))
    with pytest.raises(ValueError, match="at most 63 filters, got 64"):
        WindowKernel(FeatureSet("e", "entity", features, filters=many))


def test_states_of_two_declarations_are_told_apart() -> None:
    gaps = WindowFeature("g", Aggregate.MEAN, MINUTE, GAP)
    kernel, other = only(gaps), only(gaps, capacity=65)
    chunk = EventInputs(
        np.array([5]), np.zeros(1, np.uint64), np.array([[1]]), np.empty((1, 0), np.uint32)
    )
    states = kernel.fold([b""], np.zeros(1, np.int32), chunk).states

    with pytest.raises(UnreadableState, match="another declaration"):
        other.read(states, np.array([5]))
