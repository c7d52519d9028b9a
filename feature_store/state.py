"""The stored form of an entity: a compact run of bytes that is also the cached copy.

    version          1 byte
    fingerprint      2 bytes, of the declaration
    sections         1 byte: 1 tiles follow, 2 pairs follow
    rows             how many; the first one's time; columns of the steps from row to row, of the
                     flags, each value, the gap + 1, each hash
    tiles            from the oldest row back to the newest event in a tile; per window: how many,
                     then columns of the tiles' ages and of each field of each track
    pairs            per distinct slot: how many, columns of the steps back from the oldest row,
                     newest first, and of the hashes

A column is the least number of bytes that holds each of its numbers (0 to 8), then the numbers.
It takes a little more than varints do, and is read and written several times faster: what a
processor cannot guess are lengths. Signed numbers are zigzag.

Rows, tiles and pairs have one order and nothing is stored that follows from something else, so
equal states are equal bytes, however they came about.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from feature_store.distinct import fill_from_rows, put_oldest, settle, takes, tidy
from feature_store.in_place import in_place
from feature_store.layout import (
    AT,
    END,
    EVICTED,
    EXTREMES,
    FIRST_VALUE,
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
    STRUCK_OUT,
    SUMS,
    TILE_SLOTS,
    TOTAL,
    Layout,
    N,
    Scratch,
)
from feature_store.windows import clear, scan

Bytes = NDArray[np.uint8]

VERSION = 1
TILES, PAIRS = 1, 2
HEADER = 4
WORD = 8
COUNT_BYTES = 2
HASH = 0xFFFFFFFF
READABLE, OTHER_VERSION, OTHER_DECLARATION, DAMAGED = 0, 1, 2, 3

PADDING = bytes(WORD)
"""What must follow the last state: numbers are read as whole words, then cut."""

BYTE = np.uint64(0xFF)
ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
EIGHT = np.uint64(8)
B1, B2, B3, B4 = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
B5, B6, B7 = np.uint64(5), np.uint64(6), np.uint64(7)
S1, S2, S3, S4 = np.uint64(8), np.uint64(16), np.uint64(24), np.uint64(32)
S5, S6, S7 = np.uint64(40), np.uint64(48), np.uint64(56)


class UnreadableState(ValueError):
    """A stored state is of another version or declaration, or damaged."""


@in_place
def zigzag(number: int) -> int:
    return (number << 1) ^ (number >> 63)


@in_place
def unzigzag(number: int) -> int:
    half = np.uint64(number) >> np.uint64(1)
    return int(np.int64(half)) ^ -(number & 1)


@in_place
def put_word(out: Bytes, position: int, number: int) -> None:
    # Eight plain stores at unsigned places: the compiler makes them one.
    at, word = np.uint64(position), np.uint64(number)
    out[at] = np.uint8(word & BYTE)
    out[at + B1] = np.uint8((word >> S1) & BYTE)
    out[at + B2] = np.uint8((word >> S2) & BYTE)
    out[at + B3] = np.uint8((word >> S3) & BYTE)
    out[at + B4] = np.uint8((word >> S4) & BYTE)
    out[at + B5] = np.uint8((word >> S5) & BYTE)
    out[at + B6] = np.uint8((word >> S6) & BYTE)
    out[at + B7] = np.uint8((word >> S7) & BYTE)


@in_place
def get_word(packed: Bytes, position: int) -> np.uint64:
    at = np.uint64(position)
    return (
        np.uint64(packed[at])
        | np.uint64(packed[at + B1]) << S1
        | np.uint64(packed[at + B2]) << S2
        | np.uint64(packed[at + B3]) << S3
        | np.uint64(packed[at + B4]) << S4
        | np.uint64(packed[at + B5]) << S5
        | np.uint64(packed[at + B6]) << S6
        | np.uint64(packed[at + B7]) << S7
    )


@in_place
def low_bytes(size: int) -> np.uint64:
    return ALL >> np.uint64(64 - 8 * size) if size > 0 else np.uint64(0)


@in_place
def put_number(out: Bytes, position: int, number: int, size: int) -> int:
    """Write the low bytes of a number, lowest first; the position after them.

    What comes next overwrites the others.
    """
    put_word(out, position, number)
    return position + size


@in_place
def get_number(packed: Bytes, position: int, size: int) -> int:
    return int(np.int64(get_word(packed, position) & low_bytes(size)))


@in_place
def put_column(scratch: Scratch, count: int, out: Bytes, position: int) -> int:
    column = scratch.column
    every = 0
    for i in range(count):
        every |= column[i]
    size, word = 0, np.uint64(every)
    while word:
        word >>= EIGHT
        size += 1
    out[position] = size
    position += 1
    for i in range(count):
        put_word(out, position, column[i])
        position += size
    return position


@in_place
def get_column(scratch: Scratch, count: int, packed: Bytes, position: int, end: int) -> int:
    """Read a column into `scratch.column`; the position after it, or `end + 1` if damaged."""
    if position >= end:
        return end + 1
    size = int(packed[position])
    position += 1
    if size > WORD or position + count * size > end:
        return end + 1
    mask = low_bytes(size)
    for i in range(count):
        scratch.column[i] = int(np.int64(get_word(packed, position) & mask))
        position += size
    return position


@in_place
def get_count(packed: Bytes, position: int, end: int) -> int:
    """A count, or -1 where the bytes have come to an end."""
    if position + COUNT_BYTES > end:
        return -1
    return get_number(packed, position, COUNT_BYTES)


@in_place
def put_rows(layout: Layout, scratch: Scratch, out: Bytes, position: int) -> int:
    rows, start = scratch.rows, scratch.span[START]
    count = scratch.span[END] - start
    position = put_number(out, position, count, COUNT_BYTES)
    position = put_number(out, position, rows[start, AT], WORD)
    for i in range(count - 1):
        scratch.column[i] = rows[start + i + 1, AT] - rows[start + i, AT]
    position = put_column(scratch, count - 1, out, position)
    for field in range(FLAGS, layout.width):
        for i in range(count):
            scratch.column[i] = rows[start + i, field]
        if field == layout.gap:
            for i in range(count):
                scratch.column[i] += 1
        elif FIRST_VALUE <= field < layout.first_hash:
            for i in range(count):
                scratch.column[i] = zigzag(scratch.column[i])
        position = put_column(scratch, count, out, position)
    return position


@in_place
def get_rows(layout: Layout, scratch: Scratch, packed: Bytes, position: int, end: int) -> int:
    rows = scratch.rows
    count = get_count(packed, position, end)
    position += COUNT_BYTES
    if count < 1 or count > layout.capacity or position + WORD > end:
        return end + 1
    at = get_number(packed, position, WORD)
    position = get_column(scratch, count - 1, packed, position + WORD, end)
    for i in range(count):
        rows[i, AT] = at
        at += scratch.column[i]
    for field in range(FLAGS, layout.width):
        position = get_column(scratch, count, packed, position, end)
        if field == layout.gap:
            for i in range(count):
                rows[i, field] = scratch.column[i] - 1
        elif FIRST_VALUE <= field < layout.first_hash:
            for i in range(count):
                rows[i, field] = unzigzag(scratch.column[i])
        else:
            mask = -1 if field == FLAGS else HASH
            for i in range(count):
                rows[i, field] = scratch.column[i] & mask
    scratch.span[START], scratch.span[END] = 0, count
    scratch.span[NEWEST] = rows[count - 1, AT]
    return position


@in_place
def is_signed(field: int) -> bool:
    return field in (TOTAL, LEAST)


@in_place
def is_stored(needs: int, field: int) -> bool:
    """Whether a track keeps a field of its cells."""
    if field == N:
        return True
    if field == TOTAL:
        return needs & SUMS != 0
    if field in (SQUARES_LOW, SQUARES_HIGH):
        return needs & SQUARES != 0
    return needs & EXTREMES != 0


@in_place
def list_tiles(layout: Layout, scratch: Scratch, w: int) -> int:
    """List the window's tiles by slot in `scratch.tile_slots`, newest first; how many."""
    if scratch.tile_due[w] == HIGHEST:
        return 0
    count, last = 0, scratch.span[NEWEST] // layout.tiles[w]
    for age in range(TILE_SLOTS):
        slot = (last - age) & (TILE_SLOTS - 1)
        if scratch.tile_at[w, slot] == last - age:
            scratch.tile_slots[count] = slot
            count += 1
    return count


@in_place
def put_tiles(layout: Layout, scratch: Scratch, out: Bytes, position: int) -> int:
    column, slots = scratch.column, scratch.tile_slots
    behind = scratch.rows[scratch.span[START], AT] - scratch.span[EVICTED]
    position = put_number(out, position, behind, WORD)
    for w in range(len(layout.windows)):
        count = list_tiles(layout, scratch, w)
        position = put_number(out, position, count, 1)
        last = scratch.span[NEWEST] // layout.tiles[w]
        for i in range(count):
            column[i] = last - scratch.tile_at[w, slots[i]]
        position = put_column(scratch, count, out, position)
        for k in range(len(layout.track_needs) if count else 0):
            for field in range(MOST + 1):
                if is_stored(layout.track_needs[k], field):
                    list_field(scratch, w, k, field, count)
                    position = put_column(scratch, count, out, position)
    return position


@in_place
def list_field(scratch: Scratch, w: int, k: int, field: int, count: int) -> None:
    """Put a field of the listed tiles into `scratch.column`; an empty cell has no extremes."""
    column, slots, cells = scratch.column, scratch.tile_slots, scratch.tile_cells
    for i in range(count):
        column[i] = cells[w, k, field, slots[i]]
    if field == MOST:
        for i in range(count):
            column[i] -= cells[w, k, LEAST, slots[i]]
    if field >= LEAST:
        for i in range(count):
            column[i] *= cells[w, k, N, slots[i]] != 0
    if is_signed(field):
        for i in range(count):
            column[i] = zigzag(column[i])


@in_place
def take_field(scratch: Scratch, w: int, k: int, field: int, count: int) -> None:
    """Put `scratch.column` into a field of the listed tiles."""
    column, slots, cells = scratch.column, scratch.tile_slots, scratch.tile_cells
    if is_signed(field):
        for i in range(count):
            column[i] = unzigzag(column[i])
    if field == MOST:
        for i in range(count):
            column[i] += cells[w, k, LEAST, slots[i]]
    for i in range(count):
        if field < LEAST or cells[w, k, N, slots[i]] != 0:
            cells[w, k, field, slots[i]] = column[i]


@in_place
def get_tiles(layout: Layout, scratch: Scratch, packed: Bytes, position: int, end: int) -> int:
    if position + WORD > end:
        return end + 1
    behind = get_number(packed, position, WORD)
    scratch.span[EVICTED] = scratch.rows[scratch.span[START], AT] - behind
    position += WORD
    for w in range(len(layout.windows)):
        count = int(packed[position]) if position < end else TILE_SLOTS + 1
        if count > TILE_SLOTS:
            return end + 1
        position = get_column(scratch, count, packed, position + 1, end)
        if position <= end:
            place_tiles(layout, scratch, w, count)
        for k in range(len(layout.track_needs) if count else 0):
            for field in range(MOST + 1):
                if is_stored(layout.track_needs[k], field):
                    position = get_column(scratch, count, packed, position, end)
                    take_field(scratch, w, k, field, count)
    return position


@in_place
def place_tiles(layout: Layout, scratch: Scratch, w: int, count: int) -> None:
    """Set up the tiles whose ages `scratch.column` lists."""
    size = layout.tiles[w]
    last = scratch.span[NEWEST] // size
    for i in range(count):
        index = last - scratch.column[i]
        slot = index & (TILE_SLOTS - 1)
        scratch.tile_slots[i] = slot
        scratch.tile_at[w, slot] = index
        due = (index + 1) * size + layout.windows[w]
        scratch.tile_due[w] = min(scratch.tile_due[w], due)
        clear(layout, scratch.tile_cells[w, :, :, slot])


@in_place
def is_in_oldest_rows(layout: Layout, scratch: Scratch, slot: int, key: int, at: int) -> bool:
    rows, i = scratch.rows, scratch.span[START]
    while i < scratch.span[END] and rows[i, AT] == at:
        if rows[i, layout.slot_column[slot]] == key and takes(layout, slot, rows[i, FLAGS]):
            return True
        i += 1
    return False


@in_place
def count_pairs(layout: Layout, scratch: Scratch, slot: int) -> tuple[int, int]:
    """Where the pairs end that are no newer than the oldest row, and how many are to be stored.

    What was seen later than the oldest row is in the ring.
    """
    oldest = scratch.rows[scratch.span[START], AT]
    i = scratch.table_tails[slot, -1]
    stored = 0
    while i < scratch.table_end[slot] and scratch.seen[slot, i] <= oldest:
        stored += is_to_store(layout, scratch, slot, i)
        i += 1
    return i, stored


@in_place
def is_to_store(layout: Layout, scratch: Scratch, slot: int, i: int) -> bool:
    key, seen = scratch.hashes[slot, i], scratch.seen[slot, i]
    return bool(key != STRUCK_OUT and not is_in_oldest_rows(layout, scratch, slot, key, seen))


@in_place
def list_pairs(layout: Layout, scratch: Scratch, slot: int, after: int) -> None:
    """List the pairs to store, by place in the log, in `scratch.pairs`, newest first."""
    count = 0
    for i in range(after - 1, scratch.table_tails[slot, -1] - 1, -1):
        if is_to_store(layout, scratch, slot, i):
            scratch.pairs[count] = i
            count += 1


@in_place
def put_pairs(layout: Layout, scratch: Scratch, out: Bytes, position: int) -> int:
    column = scratch.column
    for slot in range(len(layout.slot_mask)):
        tidy(scratch, slot)
        after, count = count_pairs(layout, scratch, slot)
        list_pairs(layout, scratch, slot, after)
        position = put_number(out, position, count, COUNT_BYTES)
        at = scratch.rows[scratch.span[START], AT]
        for i in range(count):
            seen = scratch.seen[slot, scratch.pairs[i]]
            column[i] = at - seen
            at = seen
        position = put_column(scratch, count, out, position)
        for i in range(count):
            column[i] = scratch.hashes[slot, scratch.pairs[i]]
        position = put_column(scratch, count, out, position)
    return position


@in_place
def get_pairs(
    layout: Layout, scratch: Scratch, slot: int, packed: Bytes, position: int, end: int
) -> int:
    count = get_count(packed, position, end)
    if count < 0 or count > layout.distinct_capacity:
        return end + 1
    position = get_column(scratch, count, packed, position + COUNT_BYTES, end)
    at = scratch.rows[scratch.span[START], AT]
    for i in range(count):
        at -= scratch.column[i]
        scratch.pairs[i] = at
    position = get_column(scratch, count, packed, position, end)
    for i in range(count if position <= end else 0):
        put_oldest(scratch, slot, scratch.column[i] & HASH, scratch.pairs[i])
    return position


@in_place
def reset(layout: Layout, scratch: Scratch) -> None:
    """An entity that was never seen."""
    scratch.span[START] = scratch.span[END] = 0
    scratch.span[EVICTED] = LOWEST
    for w in range(len(layout.windows)):
        scratch.tails[w] = 0
        scratch.tiled[w] = scratch.stale[w] = 0
        clear(layout, scratch.cells[w])
        for slot in range(TILE_SLOTS if scratch.tile_due[w] != HIGHEST else 0):
            scratch.tile_at[w, slot] = LOWEST
        scratch.tile_due[w] = HIGHEST
    for slot in range(len(layout.slot_mask)):
        scratch.index_mark[slot] += 1
        scratch.table_end[slot] = 0
        for w in range(len(layout.windows)):
            scratch.table_tails[slot, w] = scratch.table_counts[slot, w] = 0


@in_place
def decode(layout: Layout, scratch: Scratch, packed: Bytes, position: int, end: int) -> int:
    """Unpack the state in `packed[position:end]`: READABLE, or what is wrong with it."""
    reset(layout, scratch)
    if position == end:
        return READABLE
    if packed[position] != VERSION:
        return OTHER_VERSION
    if get_number(packed, position + 1, 2) != layout.fingerprint:
        return OTHER_DECLARATION
    sections = packed[position + 3]
    position = get_rows(layout, scratch, packed, position + HEADER, end)
    if position <= end and sections & TILES:
        position = get_tiles(layout, scratch, packed, position, end)
    if position > end:
        return DAMAGED
    for slot in range(len(layout.slot_mask)):
        fill_from_rows(layout, scratch, slot)
        if sections & PAIRS:
            position = get_pairs(layout, scratch, slot, packed, position, end)
        settle(layout, scratch, slot)
    if position != end:
        return DAMAGED
    for w in range(len(layout.windows)):
        scratch.tiled[w] = scratch.span[EVICTED] > scratch.span[NEWEST] - layout.windows[w]
    scan(layout, scratch, scratch.cells, scratch.tails, scratch.span[NEWEST])
    return READABLE


@in_place
def has_tiles(layout: Layout, scratch: Scratch) -> bool:
    tiled = 0
    for w in range(len(layout.windows)):
        tiled += scratch.tile_due[w] != HIGHEST
    return tiled > 0


@in_place
def has_pairs(layout: Layout, scratch: Scratch) -> bool:
    stored = 0
    for slot in range(len(layout.slot_mask)):
        stored += count_pairs(layout, scratch, slot)[1]
    return stored > 0


@in_place
def encode(layout: Layout, scratch: Scratch, out: Bytes, position: int) -> int:
    """Write the state to `out` from `position` on; the position after it."""
    tiles, pairs = has_tiles(layout, scratch), has_pairs(layout, scratch)
    out[position] = VERSION
    put_number(out, position + 1, layout.fingerprint, 2)
    out[position + 3] = (TILES if tiles else 0) | (PAIRS if pairs else 0)
    position = put_rows(layout, scratch, out, position + HEADER)
    if tiles:
        position = put_tiles(layout, scratch, out, position)
    if pairs:
        position = put_pairs(layout, scratch, out, position)
    return position


@in_place
def size_at_most(layout: Layout, scratch: Scratch) -> int:
    """A bound on the bytes that `encode` writes, with the word that the last number takes."""
    windows, tracks = len(layout.windows), len(layout.track_needs)
    rows = scratch.span[END] - scratch.span[START]
    size = HEADER + COUNT_BYTES + WORD + (1 + rows) * (1 + layout.width) * WORD
    if has_tiles(layout, scratch):
        size += WORD + windows * (1 + (1 + tracks * (MOST + 1)) * (1 + TILE_SLOTS * WORD))
    pairs = COUNT_BYTES + 2 * (1 + layout.distinct_capacity * WORD)
    return int(size + len(layout.slot_mask) * pairs)
