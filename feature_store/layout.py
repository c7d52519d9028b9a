"""What a `FeatureSet` comes to as numbers, and the memory in which one entity is unpacked.

A *row* is an event: time, filter flags, values, gap, distinct hashes, all int64. A *track* is what
some feature needs summed up: a value (or nothing but the count) under a mask of filters; its *cell*
holds count, sum, sum of squares (two words) and extremes. A *slot* is a table of distinct values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from feature_store.columns import Ints
from feature_store.definitions import (
    GAP,
    Aggregate,
    Distinct,
    FeatureSet,
    Filter,
    Value,
    WindowFeature,
)

AT, FLAGS, FIRST_VALUE = 0, 1, 2
N, TOTAL, SQUARES_LOW, SQUARES_HIGH, LEAST, MOST = 0, 1, 2, 3, 4, 5
CELL = 6
SUMS, SQUARES, EXTREMES = 1, 2, 4
START, END, NEWEST, EVICTED, MARK, MARKED = 0, 1, 2, 3, 4, 5
STRUCK_OUT = -1
UNKNOWN_GAP = -1
HIGHEST, LOWEST = 2**63 - 1, -(2**63)
TILES_PER_WINDOW = 24
TILE_SLOTS = 32
"""At most 26 tiles of W/24 (rounded down) touch a window of a millisecond or more."""

COUNT, SUM, MEAN, STD, MIN, MAX, DISTINCT, SHARE = range(8)
CODES = {
    Aggregate.COUNT: COUNT,
    Aggregate.SUM: SUM,
    Aggregate.MEAN: MEAN,
    Aggregate.STD: STD,
    Aggregate.MIN: MIN,
    Aggregate.MAX: MAX,
    Aggregate.DISTINCT: DISTINCT,
    Aggregate.SHARE: SHARE,
}
NEEDS = {SUM: SUMS, MEAN: SUMS, STD: SUMS | SQUARES, MIN: EXTREMES, MAX: EXTREMES}
MICROSECOND = timedelta(microseconds=1)
SHORTEST = timedelta(milliseconds=1)
MAX_FILTERS = 63
MAX_CAPACITY = 65_535

Part = Filter | Value | Distinct


class Layout(NamedTuple):
    """A declaration as numbers.

    Args:
        windows: Lengths in microseconds, shortest first; tiles: of W/24 each.
        track_column: The row's column that is summed up, or -1: count only.
        track_mask: Flags that a row must have; track_needs: of SUMS, SQUARES, EXTREMES.
        slot_column, slot_mask: The same for distinct values.
        feature_code: COUNT to SHARE; feature_place: its track or slot; feature_whole: the track of
            the whole, for SHARE.
        gap: The row's column of the gap, or -1.
        first_hash: The row's first column of a distinct hash; width: its number of columns.
        fingerprint: 16 bits that tell declarations apart in stored states.
    """

    windows: Ints
    tiles: Ints
    track_column: Ints
    track_mask: Ints
    track_needs: Ints
    slot_column: Ints
    slot_mask: Ints
    feature_code: Ints
    feature_window: Ints
    feature_place: Ints
    feature_whole: Ints
    capacity: int
    distinct_capacity: int
    gap: int
    first_hash: int
    width: int
    fingerprint: int


class Scratch(NamedTuple):
    """One entity, unpacked; every array is int64.

    Args:
        rows: Its newest events, oldest first, in `rows[span[START]:span[END]]`.
        span: START, END, NEWEST (event time), EVICTED (time of the newest event in a tile, LOWEST
            without), and of the last set built in `marks`: MARK and MARKED (its size).
        tails: Per window, the first row inside it, as of the newest event.
        cells: Per window and track, the sums as of the newest event; tiled: Per window, whether
            its tiles are in them.
        stale: Per window, whether an extreme has left and must be looked for.
        tile_at: Per window, tile number `i` in slot `i % 32`, LOWEST where there is none.
        tile_cells: Their sums; tile_due: the event time at which the oldest leaves its window.
        hashes, seen: Per slot, its table's log, sorted by last seen; a hash may be STRUCK_OUT.
        places: Per slot, from a hash to a place in the log, by open addressing; index_mark: what
            its valid entries begin with.
        table_end: Per slot, the end of the log; table_tails, table_counts: Per slot and window,
            the first place inside the window, and the values from there on.
        marks: A set of hashes, by open addressing: hash, and the mark of the set it belongs to.
        row: The event that is being folded.
        side, side_tails, side_distinct: As `cells`, `tails`, `table_counts`, for another instant.
        column, tile_slots, pairs: Lists of what is being packed or unpacked.
    """

    rows: NDArray[np.int64]
    span: Ints
    tails: Ints
    cells: NDArray[np.int64]
    tiled: Ints
    stale: Ints
    tile_at: NDArray[np.int64]
    tile_cells: NDArray[np.int64]
    tile_due: Ints
    hashes: NDArray[np.int64]
    seen: NDArray[np.int64]
    places: NDArray[np.int64]
    index_mark: Ints
    table_end: Ints
    table_tails: NDArray[np.int64]
    table_counts: NDArray[np.int64]
    marks: NDArray[np.int64]
    row: NDArray[np.int64]
    side: NDArray[np.int64]
    side_tails: Ints
    side_distinct: NDArray[np.int64]
    column: Ints
    tile_slots: Ints
    pairs: Ints


def scratch_of(layout: Layout) -> Scratch:
    windows, tracks, slots = len(layout.windows), len(layout.track_mask), len(layout.slot_mask)
    members = layout.capacity + layout.distinct_capacity if slots else 0
    pairs = 2 * members
    marks = 1 << (2 * members).bit_length()

    def empty(*shape: int) -> NDArray[np.int64]:
        return np.empty(shape, np.int64)

    return Scratch(
        rows=empty(2 * layout.capacity + 2, layout.width),
        span=np.zeros(6, np.int64),
        tails=empty(windows),
        cells=empty(windows, tracks, CELL),
        tiled=np.zeros(windows, np.int64),
        stale=np.zeros(windows, np.int64),
        tile_at=np.full((windows, TILE_SLOTS), LOWEST, np.int64),
        tile_cells=empty(windows, tracks, CELL, TILE_SLOTS),
        tile_due=np.full(windows, HIGHEST, np.int64),
        hashes=empty(slots, pairs),
        seen=empty(slots, pairs),
        places=np.zeros((slots, 1 << (2 * pairs).bit_length()), np.int64),
        index_mark=np.ones(slots, np.int64),
        table_end=empty(slots),
        table_tails=empty(slots, windows),
        table_counts=empty(slots, windows),
        marks=np.zeros((marks, 2), np.int64),
        row=empty(1, layout.width),
        side=empty(windows, tracks, CELL),
        side_tails=empty(windows),
        side_distinct=empty(slots, windows),
        column=empty(max(layout.capacity, layout.distinct_capacity, TILE_SLOTS)),
        tile_slots=empty(TILE_SLOTS),
        pairs=empty(layout.distinct_capacity),
    )


def layout_of(features: FeatureSet) -> Layout:
    """Number a declaration's parts.

    Raises:
        ValueError: The declaration names something it does not hold, or breaks a limit.
    """
    check_limits(features)
    plan = Plan(features)
    places = [plan.place(feature) for feature in features.features]
    windows = [over // MICROSECOND for over in features.windows]
    return Layout(
        windows=integers(windows),
        tiles=integers([window // TILES_PER_WINDOW for window in windows]),
        track_column=integers([column for column, _ in plan.tracks]),
        track_mask=integers([mask for _, mask in plan.tracks]),
        track_needs=integers(list(plan.tracks.values())),
        slot_column=integers([column for column, _ in plan.slots]),
        slot_mask=integers([mask for _, mask in plan.slots]),
        feature_code=integers([CODES[feature.aggregate] for feature in features.features]),
        feature_window=integers([features.windows.index(f.over) for f in features.features]),
        feature_place=integers([place for place, _ in places]),
        feature_whole=integers([whole for _, whole in places]),
        capacity=features.capacity,
        distinct_capacity=features.distinct_capacity,
        gap=plan.gap,
        first_hash=plan.first_hash,
        width=plan.first_hash + len(features.distincts),
        fingerprint=fingerprint(features, plan),
    )


class Plan:
    """Hands out tracks and slots, each once, however many features look at it."""

    def __init__(self, features: FeatureSet) -> None:
        self.features = features
        uses_gap = any(feature.value == GAP for feature in features.features)
        after_values = FIRST_VALUE + len(features.values)
        self.gap = after_values if uses_gap else -1
        self.first_hash = after_values + uses_gap
        self.tracks: dict[tuple[int, int], int] = {}
        self.slots: dict[tuple[int, int], int] = {}

    def place(self, feature: WindowFeature) -> tuple[int, int]:
        """Where the feature is read: its track or slot, and for SHARE the track of the whole."""
        check_shape(feature)
        mask = 0
        if feature.where is not None:
            mask = 1 << self.index(feature, self.features.filters, feature.where, "filter")
        if feature.aggregate is Aggregate.DISTINCT:
            return self.slot(feature, mask), 0
        whole = self.track(-1, 0, 0) if feature.aggregate is Aggregate.SHARE else 0
        return self.track(self.column(feature), mask, NEEDS.get(CODES[feature.aggregate], 0)), whole

    def column(self, feature: WindowFeature) -> int:
        if feature.value is None:
            return -1
        if feature.value == GAP:
            return self.gap
        return FIRST_VALUE + self.index(feature, self.features.values, feature.value, "value")

    def slot(self, feature: WindowFeature, mask: int) -> int:
        name = feature.value or ""
        column = self.first_hash + self.index(feature, self.features.distincts, name, "distinct")
        self.slots.setdefault((column, mask), 0)
        return list(self.slots).index((column, mask))

    def track(self, column: int, mask: int, needs: int) -> int:
        self.tracks[column, mask] = self.tracks.get((column, mask), 0) | needs
        return list(self.tracks).index((column, mask))

    def index(self, feature: WindowFeature, known: Sequence[Part], name: str, kind: str) -> int:
        names = [part.name for part in known]
        if name not in names:
            raise ValueError(f"{feature.name}: {kind} {name!r} is not declared; there are {names}")
        return names.index(name)


def check_shape(feature: WindowFeature) -> None:
    counts = feature.aggregate in (Aggregate.COUNT, Aggregate.SHARE)
    if counts and feature.value is not None:
        raise ValueError(f"{feature.name}: {feature.aggregate.value} takes no value")
    if not counts and feature.value is None:
        raise ValueError(f"{feature.name}: {feature.aggregate.value} needs a value")
    if feature.aggregate is Aggregate.SHARE and feature.where is None:
        raise ValueError(f"{feature.name}: share needs a filter")


def check_limits(features: FeatureSet) -> None:
    rules: list[tuple[bool, Callable[[], str]]] = [
        (len(features.features) > 0, lambda: "declares no feature"),
        (features.capacity >= 1, lambda: f"capacity must be >= 1, got {features.capacity}"),
        (
            features.distinct_capacity >= features.capacity or not features.distincts,
            lambda: (
                f"distinct_capacity must be >= capacity ({features.capacity}),"
                f" got {features.distinct_capacity}"
            ),
        ),
        (
            max(features.capacity, features.distinct_capacity) <= MAX_CAPACITY,
            lambda: f"capacities must be <= {MAX_CAPACITY}",
        ),
        (
            len(features.filters) <= MAX_FILTERS,
            lambda: f"at most {MAX_FILTERS} filters, got {len(features.filters)}",
        ),
        (
            all(over >= SHORTEST for over in features.windows),
            lambda: f"windows must be >= {SHORTEST}, got {features.windows[0]}",
        ),
    ]
    for holds, broken in rules:
        if not holds:
            raise ValueError(f"{features.entity}: {broken()}")


def fingerprint(features: FeatureSet, plan: Plan) -> int:
    """16 bits over all that decides how a state is stored and what it means."""
    meaning = (
        [over // MICROSECOND for over in features.windows],
        list(plan.tracks.items()),
        list(plan.slots),
        [value.name for value in features.values],
        [claim.name for claim in features.filters],
        [distinct.name for distinct in features.distincts],
        features.capacity,
        features.distinct_capacity,
    )
    return int.from_bytes(blake2b(repr(meaning).encode(), digest_size=2).digest(), "little")


def integers(numbers: Sequence[int]) -> Ints:
    return np.array(numbers, np.int64)
