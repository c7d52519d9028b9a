"""The sums of every window, kept up event by event, or counted afresh for any instant.

An event of the ring counts in a window iff its time is in `(t - W, t]`. Tiles count only while the
newest event in any of them is inside the window, that is while the ring does not tell all; then a
tile counts iff it ends after `t - W` and starts no later than `t`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from feature_store.columns import Ints
from feature_store.in_place import in_place
from feature_store.layout import (
    AT,
    CELL,
    END,
    EVICTED,
    EXTREMES,
    FLAGS,
    HIGHEST,
    LEAST,
    LOWEST,
    MOST,
    NEWEST,
    SQUARES,
    SQUARES_HIGH,
    SQUARES_LOW,
    START,
    TILE_SLOTS,
    TOTAL,
    Layout,
    N,
    Scratch,
)
from feature_store.wide import added, squared, subtracted

Cells = NDArray[np.int64]
Rows = NDArray[np.int64]


@in_place
def clear(layout: Layout, cells: Cells) -> None:
    for k in range(len(cells)):
        cells[k, N] = 0
        if layout.track_needs[k]:
            cells[k, TOTAL] = cells[k, SQUARES_LOW] = cells[k, SQUARES_HIGH] = 0
            cells[k, LEAST], cells[k, MOST] = HIGHEST, LOWEST


@in_place
def copy(layout: Layout, source: Cells, target: Cells) -> None:
    for k in range(len(source)):
        for field in range(CELL if layout.track_needs[k] else 1):
            target[k, field] = source[k, field]


@in_place
def add_squares(cells: Cells, k: int, low: np.uint64, high: np.uint64) -> None:
    low, high = added(
        np.uint64(cells[k, SQUARES_LOW]), np.uint64(cells[k, SQUARES_HIGH]), low, high
    )
    cells[k, SQUARES_LOW] = np.int64(low)
    cells[k, SQUARES_HIGH] = np.int64(high)


@in_place
def subtract_squares(cells: Cells, k: int, low: np.uint64, high: np.uint64) -> None:
    low, high = subtracted(
        np.uint64(cells[k, SQUARES_LOW]), np.uint64(cells[k, SQUARES_HIGH]), low, high
    )
    cells[k, SQUARES_LOW] = np.int64(low)
    cells[k, SQUARES_HIGH] = np.int64(high)


@in_place
def counts(layout: Layout, k: int, rows: Rows, i: int) -> bool:
    """Whether track `k` looks at the row: its filters hold and its value is known."""
    mask = layout.track_mask[k]
    passes = rows[i, FLAGS] & mask == mask
    if layout.track_needs[k] and layout.track_column[k] == layout.gap:
        return bool(passes and rows[i, layout.gap] >= 0)
    return bool(passes)


@in_place
def add_value(needs: int, cells: Cells, k: int, value: int) -> None:
    cells[k, TOTAL] += value
    if needs & SQUARES:
        low, high = squared(value)
        add_squares(cells, k, low, high)
    if needs & EXTREMES:
        cells[k, LEAST] = min(cells[k, LEAST], value)
        cells[k, MOST] = max(cells[k, MOST], value)


@in_place
def subtract_value(needs: int, cells: Cells, k: int, value: int) -> None:
    cells[k, TOTAL] -= value
    if needs & SQUARES:
        low, high = squared(value)
        subtract_squares(cells, k, low, high)


@in_place
def add_row(layout: Layout, cells: Cells, rows: Rows, i: int) -> None:
    for k in range(len(cells)):
        needs, is_counted = layout.track_needs[k], counts(layout, k, rows, i)
        # Not an `if`: which filters hold cannot be guessed, and a wrong guess costs more.
        cells[k, N] += is_counted
        if needs and is_counted:
            add_value(needs, cells, k, rows[i, layout.track_column[k]])


@in_place
def subtract_row(layout: Layout, cells: Cells, rows: Rows, i: int) -> bool:
    """Take a row out; whether it was an extreme, so that another must be looked for."""
    stale = False
    for k in range(len(cells)):
        needs, is_counted = layout.track_needs[k], counts(layout, k, rows, i)
        cells[k, N] -= is_counted
        if needs and is_counted:
            value = rows[i, layout.track_column[k]]
            subtract_value(needs, cells, k, value)
            stale |= value == cells[k, LEAST] or value == cells[k, MOST]
    return stale


@in_place
def add_tile(layout: Layout, cells: Cells, tile: Cells) -> None:
    for k in range(len(cells)):
        cells[k, N] += tile[k, N]
        needs = layout.track_needs[k]
        if needs == 0:
            continue
        cells[k, TOTAL] += tile[k, TOTAL]
        if needs & SQUARES:
            low, high = np.uint64(tile[k, SQUARES_LOW]), np.uint64(tile[k, SQUARES_HIGH])
            add_squares(cells, k, low, high)
        if needs & EXTREMES:
            cells[k, LEAST] = min(cells[k, LEAST], tile[k, LEAST])
            cells[k, MOST] = max(cells[k, MOST], tile[k, MOST])


@in_place
def subtract_tile(layout: Layout, cells: Cells, tile: Cells) -> None:
    for k in range(len(cells)):
        cells[k, N] -= tile[k, N]
        needs = layout.track_needs[k]
        if needs == 0:
            continue
        cells[k, TOTAL] -= tile[k, TOTAL]
        if needs & SQUARES:
            low, high = np.uint64(tile[k, SQUARES_LOW]), np.uint64(tile[k, SQUARES_HIGH])
            subtract_squares(cells, k, low, high)


@in_place
def scan(layout: Layout, scratch: Scratch, cells: Cells, tails: Ints, at: int) -> None:
    """Count every window as of `at` afresh.

    Windows are nested, so one walk from the newest row back serves all of them.
    """
    rows, span = scratch.rows, scratch.span
    i = span[END] - 1
    while i >= span[START] and rows[i, AT] > at:
        i -= 1
    for w in range(len(layout.windows)):
        edge = at - layout.windows[w]
        if w == 0:
            clear(layout, cells[w])
        else:
            copy(layout, cells[w - 1], cells[w])
        while i >= span[START] and rows[i, AT] > edge:
            add_row(layout, cells[w], rows, i)
            i -= 1
        tails[w] = i + 1
    add_tiles(layout, scratch, cells, at)


@in_place
def add_tiles(layout: Layout, scratch: Scratch, cells: Cells, at: int) -> None:
    for w in range(len(layout.windows)):
        size, edge = layout.tiles[w], at - layout.windows[w]
        if scratch.tile_due[w] == HIGHEST or scratch.span[EVICTED] <= edge:
            continue
        for slot in range(TILE_SLOTS):
            index = scratch.tile_at[w, slot]
            if index != LOWEST and index * size <= at and (index + 1) * size > edge:
                add_tile(layout, cells[w], scratch.tile_cells[w, :, :, slot])


@in_place
def put_in_tile(layout: Layout, scratch: Scratch, w: int, rows: Rows, i: int) -> bool:
    """Add a row to its tile of window `w`; False where that tile has left the window."""
    size, window = layout.tiles[w], layout.windows[w]
    index = rows[i, AT] // size
    due = (index + 1) * size + window
    if due <= scratch.span[NEWEST]:
        return False
    slot = index & (TILE_SLOTS - 1)
    tile = scratch.tile_cells[w, :, :, slot]
    if scratch.tile_at[w, slot] != index:
        scratch.tile_at[w, slot] = index
        scratch.tile_due[w] = min(scratch.tile_due[w], due)
        clear(layout, tile)
    add_row(layout, tile, rows, i)
    return True


@in_place
def drop_tiles(layout: Layout, scratch: Scratch, w: int, now: int) -> None:
    size, window = layout.tiles[w], layout.windows[w]
    next_due = HIGHEST
    for slot in range(TILE_SLOTS):
        if scratch.tile_at[w, slot] == LOWEST:
            continue
        due = (scratch.tile_at[w, slot] + 1) * size + window
        if due <= now:
            if scratch.tiled[w]:
                subtract_tile(layout, scratch.cells[w], scratch.tile_cells[w, :, :, slot])
                scratch.stale[w] = 1
            scratch.tile_at[w, slot] = LOWEST
        else:
            next_due = min(next_due, due)
    scratch.tile_due[w] = next_due


@in_place
def count_tiles_in(layout: Layout, scratch: Scratch, w: int) -> None:
    """Begin to count a window's tiles, because an event inside the window has left the ring."""
    scratch.tiled[w] = 1
    for slot in range(TILE_SLOTS if scratch.tile_due[w] != HIGHEST else 0):
        if scratch.tile_at[w, slot] != LOWEST:
            add_tile(layout, scratch.cells[w], scratch.tile_cells[w, :, :, slot])


@in_place
def count_tiles_out(layout: Layout, scratch: Scratch, w: int) -> None:
    """Cease to count a window's tiles, because the ring tells all about the window."""
    scratch.tiled[w] = 0
    scratch.stale[w] = 1
    for slot in range(TILE_SLOTS if scratch.tile_due[w] != HIGHEST else 0):
        if scratch.tile_at[w, slot] != LOWEST:
            subtract_tile(layout, scratch.cells[w], scratch.tile_cells[w, :, :, slot])


@in_place
def advance(layout: Layout, scratch: Scratch, now: int) -> None:
    """Move every window to end at `now`, and let go of rows that no window will reach again."""
    rows, span = scratch.rows, scratch.span
    for w in range(len(layout.windows)):
        edge = now - layout.windows[w]
        while scratch.tails[w] < span[END] and rows[scratch.tails[w], AT] <= edge:
            if subtract_row(layout, scratch.cells[w], rows, scratch.tails[w]):
                scratch.stale[w] = 1
            scratch.tails[w] += 1
        if scratch.tile_due[w] <= now:
            drop_tiles(layout, scratch, w, now)
        if scratch.tiled[w] and span[EVICTED] <= edge:
            count_tiles_out(layout, scratch, w)
    span[NEWEST] = now
    # A late event may be a longest window behind, and its own windows reach as far again.
    horizon = now - 2 * layout.windows[-1]
    while span[START] < span[END] and rows[span[START], AT] <= horizon:
        span[START] += 1


@in_place
def compare(rows: Rows, i: int, other: Rows, j: int) -> int:
    """Canonical order: by time, then by every other field."""
    for column in range(rows.shape[1]):
        if rows[i, column] != other[j, column]:
            return -1 if rows[i, column] < other[j, column] else 1
    return 0


@in_place
def make_room(scratch: Scratch) -> None:
    """Move the ring to the front of its memory once it has reached the end."""
    rows, span = scratch.rows, scratch.span
    start = span[START]
    if span[END] < len(rows):
        return
    for i in range(start, span[END]):
        for column in range(rows.shape[1]):
            rows[i - start, column] = rows[i, column]
    span[START] = 0
    span[END] -= start
    for w in range(len(scratch.tails)):
        scratch.tails[w] -= start


@in_place
def insert(layout: Layout, scratch: Scratch) -> None:
    """Put the current row into the ring, and into the windows that it is inside of."""
    make_room(scratch)
    rows, span, row = scratch.rows, scratch.span, scratch.row
    i = span[END]
    while i > span[START] and compare(rows, i - 1, row, 0) > 0:
        for column in range(rows.shape[1]):
            rows[i, column] = rows[i - 1, column]
        i -= 1
    for column in range(rows.shape[1]):
        rows[i, column] = row[0, column]
    span[END] += 1
    for w in range(len(layout.windows)):
        if row[0, AT] > span[NEWEST] - layout.windows[w]:
            add_row(layout, scratch.cells[w], row, 0)
        else:
            scratch.tails[w] += 1


@in_place
def evict(layout: Layout, scratch: Scratch) -> None:
    """Move the oldest row from the ring into its tiles."""
    rows, span = scratch.rows, scratch.span
    oldest = span[START]
    span[EVICTED] = max(span[EVICTED], rows[oldest, AT])
    for w in range(len(layout.windows)):
        if scratch.tails[w] == oldest:
            if not scratch.tiled[w]:
                count_tiles_in(layout, scratch, w)
            scratch.tails[w] += 1
        put_in_tile(layout, scratch, w, rows, oldest)
    span[START] += 1


@in_place
def put_straight(layout: Layout, scratch: Scratch) -> None:
    """Fold the current row, older than everything in a full ring."""
    row, span = scratch.row, scratch.span
    span[EVICTED] = max(span[EVICTED], row[0, AT])
    for w in range(len(layout.windows)):
        if not scratch.tiled[w] and row[0, AT] > span[NEWEST] - layout.windows[w]:
            count_tiles_in(layout, scratch, w)
        if put_in_tile(layout, scratch, w, row, 0) and scratch.tiled[w]:
            add_row(layout, scratch.cells[w], row, 0)


@in_place
def find_extremes(layout: Layout, scratch: Scratch, w: int) -> None:
    """Look for the extremes of window `w` after one of them has left."""
    cells = scratch.cells[w]
    for k in range(len(cells)):
        if not layout.track_needs[k] & EXTREMES:
            continue
        least, most = HIGHEST, LOWEST
        for i in range(scratch.tails[w], scratch.span[END]):
            if counts(layout, k, scratch.rows, i):
                value = scratch.rows[i, layout.track_column[k]]
                least, most = min(least, value), max(most, value)
        for slot in range(TILE_SLOTS if scratch.tiled[w] else 0):
            if scratch.tile_at[w, slot] != LOWEST:
                least = min(least, scratch.tile_cells[w, k, LEAST, slot])
                most = max(most, scratch.tile_cells[w, k, MOST, slot])
        cells[k, LEAST], cells[k, MOST] = least, most


@in_place
def refresh(layout: Layout, scratch: Scratch) -> None:
    for w in range(len(layout.windows)):
        if scratch.stale[w]:
            find_extremes(layout, scratch, w)
            scratch.stale[w] = 0
