"""The one implementation of windowed features: online, offline, and in training.

An entity is stored as bytes (`state.py`). A fold unpacks each entity that a chunk touches once
(`layout.py` says into what), folds its events one after another, and packs it again:

- the newest `capacity` events are rows, in canonical order (time, then every other field);
- older ones are in tiles of W/24, per window, aligned to event time (`windows.py`);
- distinct values are capped tables of (hash, last seen) (`distinct.py`).

Everything that is added up is an integer, so any cutting of a stream into chunks gives the same
bits, and any order of arrival the same final state (but for gaps, which are measured at arrival).
Features are exact while an entity has at most `capacity` events in the window, and for a late
event from the start of its window to now. Beyond that a window's tail reaches back by at most W/24
too far; for a late event, tiles and pairs that have left the newest window are gone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from feature_store.columns import Columns, Floats, Ints, Mask
from feature_store.definitions import FeatureSet
from feature_store.distinct import advance_tables, count_tables_at, observe_row
from feature_store.in_place import allocating, in_place
from feature_store.layout import (
    AT,
    COUNT,
    DISTINCT,
    END,
    FIRST_VALUE,
    FLAGS,
    LEAST,
    MAX,
    MEAN,
    MIN,
    MOST,
    NEWEST,
    SHARE,
    SQUARES_HIGH,
    SQUARES_LOW,
    START,
    STD,
    SUM,
    TOTAL,
    UNKNOWN_GAP,
    Layout,
    N,
    Scratch,
    layout_of,
    scratch_of,
)
from feature_store.state import (
    DAMAGED,
    OTHER_DECLARATION,
    OTHER_VERSION,
    PADDING,
    READABLE,
    VERSION,
    UnreadableState,
    decode,
    encode,
    size_at_most,
)
from feature_store.text import hash64
from feature_store.wide import sample_variance
from feature_store.windows import (
    add_row,
    advance,
    compare,
    evict,
    insert,
    put_straight,
    refresh,
    scan,
)

MAX_VALUE = 2**40
MAX_TIME = 2**61
BYTES_PER_STATE = 1024


@dataclass(frozen=True, slots=True)
class EventInputs:
    """What the kernel needs of a chunk of events.

    Args:
        at: Event time, int64 microseconds UTC, `(n_events,)`.
        flags: One bit per `Filter`, in the declaration's order, `(n_events,)`.
        values: `(n_events, n_values)`; hashes: `(n_events, n_distincts)`.
    """

    at: Ints
    flags: NDArray[np.uint64]
    values: NDArray[np.int64]
    hashes: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.at)

    def take(self, which: Ints) -> EventInputs:
        """The inputs of the events given by number."""
        return EventInputs(
            self.at[which], self.flags[which], self.values[which], self.hashes[which]
        )


@dataclass(frozen=True, slots=True)
class Folded:
    """What a chunk has come to.

    Args:
        states: The entities' new states, in the order of those given.
        features: `(n_events, n_features)`; NaN is unknown.
        late: Events behind their entity's newest by more than the longest window; they are not
            folded, and their features are NaN.
    """

    states: list[bytes]
    features: Floats
    late: Mask


class WindowKernel:
    """Folds events into entities' states; holds nothing but the declaration, so it can be shared.

    Raises:
        ValueError: The declaration names something it does not hold, or breaks a limit.
    """

    def __init__(self, features: FeatureSet) -> None:
        self.declaration = features
        self.names = features.names
        self.layout = layout_of(features)

    def inputs(self, event: Columns) -> EventInputs:
        """Evaluate the declaration's filters, values and distincts over a chunk.

        Raises:
            ValueError: A value or a time is out of range; a pack's `valid` mask prevents it.
        """
        declared = self.declaration
        flags = packed_bits([named.holds(event) for named in declared.filters], len(event))
        values = np.empty((len(event), len(declared.values)), np.int64)
        for column, value in enumerate(declared.values):
            values[:, column] = bounded(value.name, value.of(event), MAX_VALUE)
        hashes = np.empty((len(event), len(declared.distincts)), np.uint32)
        for column, distinct in enumerate(declared.distincts):
            hashes[:, column] = hash64(distinct.of(event)).astype(np.uint32)
        return EventInputs(bounded("at", event.at, MAX_TIME), flags, values, hashes)

    def fold(
        self,
        states: Sequence[bytes],
        entity: NDArray[np.int32],
        inputs: EventInputs,
        order: Ints | None = None,
    ) -> Folded:
        """Fold events, in offset order, each seeing those of its entity before it.

        Args:
            states: Each entity's stored state, `b""` if it was never seen.
            entity: For each event, the index of its entity in `states`.
            order: A stable argsort of `entity`, where the caller has one.

        Raises:
            UnreadableState: A state is of another version or declaration, or damaged.
        """
        first, sorted_order = grouped(entity, len(states))
        features = np.full((len(inputs), len(self.names)), np.nan)
        late = np.zeros(len(inputs), np.bool_)
        packed, bounds = self._joined(states)
        status, out, ends = fold_chunk(
            self.layout,
            scratch_of(self.layout),
            packed,
            bounds,
            sorted_order if order is None else order,
            first,
            inputs.at,
            inputs.flags,
            inputs.values,
            inputs.hashes,
            features,
            late,
        )
        self._check(status, states)
        buffer = out[: ends[-1]].tobytes()
        spans = pairwise(ends.tolist())
        new = [buffer[a:b] or old for (a, b), old in zip(spans, states, strict=True)]
        return Folded(new, features, late)

    def read(self, states: Sequence[bytes], at: Ints) -> Floats:
        """Features as of an instant per state, `(n_states, n_features)`, without an event.

        Raises:
            UnreadableState: A state is of another version or declaration, or damaged.
        """
        features = np.full((len(states), len(self.names)), np.nan)
        packed, bounds = self._joined(states)
        status = read_states(self.layout, scratch_of(self.layout), packed, bounds, at, features)
        self._check(status, states)
        return features

    def newest(self, state: bytes) -> int:
        """Time of the newest event in a state that is not empty, microseconds UTC.

        Raises:
            UnreadableState: The state is of another version or declaration, or damaged.
        """
        packed, bounds = self._joined([state])
        scratch = scratch_of(self.layout)
        self._check((decode(self.layout, scratch, packed, 0, int(bounds[1])), 0), [state])
        return int(scratch.span[NEWEST])

    def _joined(self, states: Sequence[bytes]) -> tuple[NDArray[np.uint8], Ints]:
        bounds = np.zeros(len(states) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, states), np.int64, len(states)), out=bounds[1:])
        return np.frombuffer(b"".join((*states, PADDING)), np.uint8), bounds

    def _check(self, status: tuple[int, int], states: Sequence[bytes]) -> None:
        code, index = status
        if code == READABLE:
            return
        whose = f"{self.declaration.entity}: state {index} of {len(states)}"
        rules = {
            OTHER_VERSION: f"has version {states[index][0]}, only {VERSION} can be read",
            OTHER_DECLARATION: "was stored under another declaration of the features",
            DAMAGED: f"is damaged ({len(states[index])} bytes)",
        }
        raise UnreadableState(f"{whose} {rules[code]}")


def packed_bits(masks: Sequence[Mask], events: int) -> NDArray[np.uint64]:
    """At most 64 masks as the bits of a number an event, the first as the lowest, `(events,)`."""
    flags = np.zeros((events, 8), np.uint8)
    if masks:
        packed = np.packbits(np.array(masks, np.bool_), axis=0, bitorder="little")
        flags[:, : len(packed)] = packed.T
    return flags.view("<u8").reshape(events).astype(np.uint64, copy=False)


def bounded(name: str, column: Ints, limit: int) -> Ints:
    if len(column) and (column.max() > limit or column.min() < -limit):
        outside = np.flatnonzero((column > limit) | (column < -limit))
        raise ValueError(f"{name}: must be in [-{limit}, {limit}], got {column[outside[0]]}")
    return np.ascontiguousarray(column, np.int64)


@allocating
def grouped(entity: NDArray[np.int32], entities: int) -> tuple[Ints, Ints]:
    """Where each entity's events begin in the order that sorts them, and that order; stable."""
    first = np.zeros(entities + 1, np.int64)
    for index in entity:
        first[index + 1] += 1
    for index in range(entities):
        first[index + 1] += first[index]
    following = first.copy()
    order = np.empty(len(entity), np.int64)
    for j in range(len(entity)):
        order[following[entity[j]]] = j
        following[entity[j]] += 1
    return first, order


@in_place
def write_features(
    layout: Layout, cells: NDArray[np.int64], distinct: NDArray[np.int64], out: Floats
) -> None:
    for f in range(len(layout.feature_code)):
        code, w, k = layout.feature_code[f], layout.feature_window[f], layout.feature_place[f]
        if code == DISTINCT:
            out[f] = distinct[k, w]
            continue
        n = cells[w, k, N]
        if code == COUNT:
            out[f] = n
        elif code == SUM:
            out[f] = cells[w, k, TOTAL]
        elif code == SHARE:
            whole = cells[w, layout.feature_whole[f], N]
            out[f] = n / whole if whole > 0 else np.nan
        elif code == STD:
            out[f] = deviation(cells, w, k) if n > 1 else np.nan
        elif n == 0:
            out[f] = np.nan
        elif code == MEAN:
            out[f] = cells[w, k, TOTAL] / n
        elif code == MIN:
            out[f] = cells[w, k, LEAST]
        elif code == MAX:
            out[f] = cells[w, k, MOST]


@in_place
def deviation(cells: NDArray[np.int64], w: int, k: int) -> float:
    low, high = np.uint64(cells[w, k, SQUARES_LOW]), np.uint64(cells[w, k, SQUARES_HIGH])
    return math.sqrt(sample_variance(cells[w, k, N], cells[w, k, TOTAL], low, high))


@in_place
def take_row(
    layout: Layout,
    scratch: Scratch,
    at: int,
    flags: np.uint64,
    values: NDArray[np.int64],
    hashes: NDArray[np.uint32],
) -> None:
    """Make an event the current row; its gap is measured here, at arrival, and never again."""
    row, span = scratch.row, scratch.span
    row[0, AT] = at
    row[0, FLAGS] = np.int64(flags)
    for column in range(len(values)):
        row[0, FIRST_VALUE + column] = values[column]
    for column in range(len(hashes)):
        row[0, layout.first_hash + column] = hashes[column]
    if layout.gap >= 0:
        behind = at - span[NEWEST]
        known = span[END] > span[START] and 0 <= behind <= layout.windows[-1]
        row[0, layout.gap] = behind // 1000 if known else UNKNOWN_GAP


@in_place
def fold_row(layout: Layout, scratch: Scratch) -> bool:
    """Fold the current row; whether it went straight to the tiles."""
    span, at = scratch.span, scratch.row[0, AT]
    if span[END] == span[START]:
        span[NEWEST] = at
    elif at > span[NEWEST]:
        advance(layout, scratch, at)
        advance_tables(layout, scratch, at)
    size = span[END] - span[START]
    is_oldest = size == layout.capacity and compare(scratch.row, 0, scratch.rows, span[START]) < 0
    if is_oldest:
        put_straight(layout, scratch)
    else:
        insert(layout, scratch)
        if size == layout.capacity:
            evict(layout, scratch)
    refresh(layout, scratch)
    observe_row(layout, scratch)
    return is_oldest


@in_place
def scan_past(layout: Layout, scratch: Scratch, is_tiled: bool) -> None:
    """Count the windows of a row that came out of order; it is inside of them in any case."""
    at = scratch.row[0, AT]
    scan(layout, scratch, scratch.side, scratch.side_tails, at)
    count_tables_at(layout, scratch, at, True)
    for w in range(len(layout.windows)):
        size = layout.tiles[w]
        due = (at // size + 1) * size + layout.windows[w]
        if is_tiled and due <= scratch.span[NEWEST]:
            add_row(layout, scratch.side[w], scratch.row, 0)


@in_place
def fold_events(
    layout: Layout,
    scratch: Scratch,
    order: Ints,
    at: Ints,
    flags: NDArray[np.uint64],
    values: NDArray[np.int64],
    hashes: NDArray[np.uint32],
    features: Floats,
    late: Mask,
) -> None:
    """Fold the unpacked entity's events, those of `order`."""
    span = scratch.span
    for j in order:
        is_known = span[END] > span[START]
        if is_known and at[j] < span[NEWEST] - layout.windows[-1]:
            late[j] = True
            continue
        take_row(layout, scratch, at[j], flags[j], values[j], hashes[j])
        is_tiled = fold_row(layout, scratch)
        if at[j] >= span[NEWEST]:
            write_features(layout, scratch.cells, scratch.table_counts, features[j])
        else:
            scan_past(layout, scratch, is_tiled)
            write_features(layout, scratch.side, scratch.side_distinct, features[j])


@allocating
def fold_chunk(
    layout: Layout,
    scratch: Scratch,
    packed: NDArray[np.uint8],
    bounds: Ints,
    order: Ints,
    first: Ints,
    at: Ints,
    flags: NDArray[np.uint64],
    values: NDArray[np.int64],
    hashes: NDArray[np.uint32],
    features: Floats,
    late: Mask,
) -> tuple[tuple[int, int], NDArray[np.uint8], Ints]:
    """Fold a chunk, entity by entity: the status, the new states, and where each begins.

    An entity without an event gets no bytes.
    """
    entities = len(bounds) - 1
    ends = np.zeros(entities + 1, np.int64)
    out = np.empty(BYTES_PER_STATE * entities, np.uint8)
    for e in range(entities):
        ends[e + 1] = ends[e]
        if first[e] == first[e + 1]:
            continue
        status = decode(layout, scratch, packed, bounds[e], bounds[e + 1])
        if status != READABLE:
            return (status, e), out, ends
        own = order[first[e] : first[e + 1]]
        fold_events(layout, scratch, own, at, flags, values, hashes, features, late)
        out = with_room(out, ends[e], size_at_most(layout, scratch))
        ends[e + 1] = encode(layout, scratch, out, ends[e])
    return (READABLE, 0), out, ends


@allocating
def with_room(out: NDArray[np.uint8], used: int, needed: int) -> NDArray[np.uint8]:
    if used + needed <= len(out):
        return out
    larger = np.empty(2 * (used + needed), np.uint8)
    for i in range(used):
        larger[i] = out[i]
    return larger


@allocating
def read_states(
    layout: Layout,
    scratch: Scratch,
    packed: NDArray[np.uint8],
    bounds: Ints,
    at: Ints,
    features: Floats,
) -> tuple[int, int]:
    for e in range(len(at)):
        status = decode(layout, scratch, packed, bounds[e], bounds[e + 1])
        if status != READABLE:
            return status, e
        if bounds[e] == bounds[e + 1]:
            scratch.span[NEWEST] = at[e]
        scan(layout, scratch, scratch.side, scratch.side_tails, at[e])
        count_tables_at(layout, scratch, at[e], False)
        write_features(layout, scratch.side, scratch.side_distinct, features[e])
    return READABLE, 0
