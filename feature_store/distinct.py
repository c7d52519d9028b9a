"""Tables of distinct values: (hash, last seen) pairs, the newest kept, the oldest forgotten.

A pair outlives its events' rows until it leaves the longest window, unless `distinct_capacity`
newer ones push it out: then a count saturates.

A table is a log, oldest first: a value that is seen again is written at the end, and its former
pair struck out. The index finds a value's pair; the struck-out pairs go when the log is full.
"""

from __future__ import annotations

from feature_store.in_place import in_place
from feature_store.layout import (
    AT,
    END,
    FLAGS,
    MARK,
    MARKED,
    NEWEST,
    START,
    STRUCK_OUT,
    Layout,
    Scratch,
)

POSITION_BITS = 32
POSITION = 2**POSITION_BITS - 1


@in_place
def takes(layout: Layout, slot: int, flags: int) -> bool:
    mask = layout.slot_mask[slot]
    return bool(flags & mask == mask)


@in_place
def place_of(scratch: Scratch, slot: int, key: int) -> int:
    """Where the index holds a value, or where it would go."""
    current, wrap = scratch.index_mark[slot], scratch.places.shape[1] - 1
    place = int(key & wrap)
    while scratch.places[slot, place] >> POSITION_BITS == current:
        if scratch.hashes[slot, scratch.places[slot, place] & POSITION] == key:
            return place
        place = int((place + 1) & wrap)
    return place


@in_place
def is_taken(scratch: Scratch, slot: int, place: int) -> bool:
    return bool(scratch.places[slot, place] >> POSITION_BITS == scratch.index_mark[slot])


@in_place
def write_pair(scratch: Scratch, slot: int, place: int, i: int, key: int, at: int) -> None:
    scratch.hashes[slot, i] = key
    scratch.seen[slot, i] = at
    scratch.places[slot, place] = scratch.index_mark[slot] << POSITION_BITS | i


@in_place
def strike_out(scratch: Scratch, slot: int, i: int) -> None:
    scratch.hashes[slot, i] = STRUCK_OUT
    for w in range(scratch.table_tails.shape[1]):
        if i >= scratch.table_tails[slot, w]:
            scratch.table_counts[slot, w] -= 1


@in_place
def forget_oldest(layout: Layout, scratch: Scratch, slot: int) -> None:
    """Strike out the oldest pair, of several the one with the smallest hash."""
    hashes, seen = scratch.hashes[slot], scratch.seen[slot]
    oldest = scratch.table_tails[slot, -1]
    while hashes[oldest] == STRUCK_OUT:
        oldest += 1
    at = seen[oldest]
    i = oldest + 1
    while i < scratch.table_end[slot] and seen[i] == at:
        if hashes[i] != STRUCK_OUT and hashes[i] < hashes[oldest]:
            oldest = i
        i += 1
    strike_out(scratch, slot, oldest)


@in_place
def tidy(scratch: Scratch, slot: int) -> None:
    """Move the pairs to the front, sorted by (last seen, hash), without those struck out."""
    hashes, seen = scratch.hashes[slot], scratch.seen[slot]
    last = scratch.table_tails.shape[1] - 1
    end = 0
    for i in range(scratch.table_tails[slot, last], scratch.table_end[slot]):
        key, at = hashes[i], seen[i]
        if key == STRUCK_OUT:
            continue
        j = end
        while j > 0 and seen[j - 1] == at and hashes[j - 1] > key:
            hashes[j], seen[j] = hashes[j - 1], seen[j - 1]
            j -= 1
        hashes[j], seen[j] = key, at
        end += 1
    scratch.table_end[slot] = end
    for w in range(last + 1):
        scratch.table_tails[slot, w] = end - scratch.table_counts[slot, w]


@in_place
def index_anew(scratch: Scratch, slot: int) -> None:
    """Index a table again, after pairs have moved."""
    scratch.index_mark[slot] += 1
    for i in range(scratch.table_tails[slot, -1], scratch.table_end[slot]):
        key = scratch.hashes[slot, i]
        if key != STRUCK_OUT:
            write_pair(scratch, slot, place_of(scratch, slot, key), i, key, scratch.seen[slot, i])


@in_place
def make_table_room(scratch: Scratch, slot: int) -> None:
    if scratch.table_end[slot] == scratch.seen.shape[1]:
        tidy(scratch, slot)
        index_anew(scratch, slot)


@in_place
def observe_now(scratch: Scratch, slot: int, key: int, at: int) -> None:
    """A value is seen at the newest event's time."""
    make_table_room(scratch, slot)
    place, windows = place_of(scratch, slot, key), scratch.table_tails.shape[1]
    before = -1
    if is_taken(scratch, slot, place):
        before = scratch.places[slot, place] & POSITION
        if scratch.seen[slot, before] == at:
            return
        scratch.hashes[slot, before] = STRUCK_OUT
    for w in range(windows):
        if before < scratch.table_tails[slot, w]:
            scratch.table_counts[slot, w] += 1
    write_pair(scratch, slot, place, scratch.table_end[slot], key, at)
    scratch.table_end[slot] += 1


@in_place
def observe_past(layout: Layout, scratch: Scratch, slot: int, key: int, at: int) -> None:
    """A value was seen before the newest event: its pair goes between the others."""
    make_table_room(scratch, slot)
    hashes, seen = scratch.hashes[slot], scratch.seen[slot]
    place = place_of(scratch, slot, key)
    if is_taken(scratch, slot, place):
        before = scratch.places[slot, place] & POSITION
        if seen[before] >= at:
            return
        if before >= scratch.table_tails[slot, -1]:
            strike_out(scratch, slot, before)
    i = scratch.table_end[slot]
    while i > scratch.table_tails[slot, -1] and seen[i - 1] > at:
        hashes[i], seen[i] = hashes[i - 1], seen[i - 1]
        i -= 1
    hashes[i], seen[i] = key, at
    scratch.table_end[slot] += 1
    for w in range(len(layout.windows)):
        if at > scratch.span[NEWEST] - layout.windows[w]:
            scratch.table_counts[slot, w] += 1
        else:
            scratch.table_tails[slot, w] += 1
    index_anew(scratch, slot)


@in_place
def observe_row(layout: Layout, scratch: Scratch) -> None:
    """Note the current row's values; forget the oldest when there are too many."""
    row, newest = scratch.row, scratch.span[NEWEST]
    at = row[0, AT]
    for slot in range(len(layout.slot_mask)):
        if not takes(layout, slot, row[0, FLAGS]):
            continue
        key = row[0, layout.slot_column[slot]]
        if at == newest:
            observe_now(scratch, slot, key, at)
        elif at > newest - layout.windows[-1]:
            observe_past(layout, scratch, slot, key, at)
        if scratch.table_counts[slot, -1] > layout.distinct_capacity:
            forget_oldest(layout, scratch, slot)


@in_place
def put_oldest(scratch: Scratch, slot: int, key: int, at: int) -> None:
    """Put a pair, no newer than the others, below them, if its value is not there already."""
    place = place_of(scratch, slot, key)
    if not is_taken(scratch, slot, place):
        scratch.table_tails[slot, -1] -= 1
        write_pair(scratch, slot, place, scratch.table_tails[slot, -1], key, at)


@in_place
def fill_from_rows(layout: Layout, scratch: Scratch, slot: int) -> None:
    """Start a table with what the ring implies, with room below for the stored pairs."""
    rows, span, column = scratch.rows, scratch.span, layout.slot_column[slot]
    middle = layout.capacity + layout.distinct_capacity
    scratch.table_end[slot] = scratch.table_tails[slot, -1] = middle
    scratch.index_mark[slot] += 1
    edge = span[NEWEST] - layout.windows[-1]
    i = span[END] - 1
    while i >= span[START] and rows[i, AT] > edge:
        if takes(layout, slot, rows[i, FLAGS]):
            put_oldest(scratch, slot, rows[i, column], rows[i, AT])
        i -= 1


@in_place
def settle(layout: Layout, scratch: Scratch, slot: int) -> None:
    """Find where each window begins in a table that has just been filled, and cap it."""
    start = scratch.table_tails[slot, -1]
    i = scratch.table_end[slot]
    for w in range(len(layout.windows)):
        edge = scratch.span[NEWEST] - layout.windows[w]
        while i > start and scratch.seen[slot, i - 1] > edge:
            i -= 1
        scratch.table_tails[slot, w] = i
        scratch.table_counts[slot, w] = scratch.table_end[slot] - i
    while scratch.table_counts[slot, -1] > layout.distinct_capacity:
        forget_oldest(layout, scratch, slot)


@in_place
def advance_tables(layout: Layout, scratch: Scratch, now: int) -> None:
    for slot in range(len(layout.slot_mask)):
        end = scratch.table_end[slot]
        for w in range(len(layout.windows)):
            edge = now - layout.windows[w]
            i = scratch.table_tails[slot, w]
            while i < end and scratch.seen[slot, i] <= edge:
                if scratch.hashes[slot, i] != STRUCK_OUT:
                    scratch.table_counts[slot, w] -= 1
                i += 1
            scratch.table_tails[slot, w] = i


@in_place
def mark(scratch: Scratch, key: int) -> None:
    """Put a value into the current set; MARKED counts its members."""
    marks, current = scratch.marks, scratch.span[MARK]
    place = key & (len(marks) - 1)
    while marks[place, 1] == current:
        if marks[place, 0] == key:
            return
        place = (place + 1) & (len(marks) - 1)
    marks[place, 0] = key
    marks[place, 1] = current
    scratch.span[MARKED] += 1


@in_place
def mark_rows(layout: Layout, scratch: Scratch, slot: int, i: int, edge: int, at: int) -> int:
    """Put the values of rows in `(edge, at]`, from row `i` back, into the set; the next row."""
    rows, column = scratch.rows, layout.slot_column[slot]
    while i >= scratch.span[START] and rows[i, AT] > edge:
        if rows[i, AT] <= at and takes(layout, slot, rows[i, FLAGS]):
            mark(scratch, rows[i, column])
        i -= 1
    return i


@in_place
def mark_pairs(scratch: Scratch, slot: int, i: int, edge: int, at: int) -> int:
    """Put the values last seen in `(edge, at]`, from pair `i` back, into the set; the next pair."""
    hashes, seen = scratch.hashes[slot], scratch.seen[slot]
    while i >= scratch.table_tails[slot, -1] and seen[i] > edge:
        if seen[i] <= at and hashes[i] != STRUCK_OUT:
            mark(scratch, hashes[i])
        i -= 1
    return i


@in_place
def count_tables_at(layout: Layout, scratch: Scratch, at: int, has_row: bool) -> None:
    """Distinct values per window as of `at`, where that is not the newest event.

    Before the newest event, a value counts if the ring shows it in the window, or else if it was
    last seen there. The current row, when there is one, always counts.
    """
    span = scratch.span
    for slot in range(len(layout.slot_mask)):
        span[MARK] += 1
        span[MARKED] = 0
        if has_row and takes(layout, slot, scratch.row[0, FLAGS]):
            mark(scratch, scratch.row[0, layout.slot_column[slot]])
        row, pair = span[END] - 1, scratch.table_end[slot] - 1
        for w in range(len(layout.windows)):
            edge = at - layout.windows[w]
            if at < span[NEWEST]:
                row = mark_rows(layout, scratch, slot, row, edge, at)
            pair = mark_pairs(scratch, slot, pair, edge, at)
            scratch.side_distinct[slot, w] = span[MARKED]
