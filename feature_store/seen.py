"""The last D event ids of a partition, so that a client's repeat is recognised.

Ids are kept as 64-bit hashes in a ring in the order in which they came; two different ids meet
with probability D / 2**64. A hash table over the ring answers in constant time; the ring alone is
stored.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from feature_store.columns import Mask
from feature_store.compiled import compiled

Hashes = NDArray[np.uint64]
EMPTY = np.uint64(0)


@compiled
def _place(table: Hashes, wanted: np.uint64) -> np.int64:
    """Where a hash stands in the table, or the empty slot where it would."""
    last = len(table) - 1
    slot = np.int64(wanted & np.uint64(last))
    while table[slot] != EMPTY and table[slot] != wanted:
        slot = (slot + 1) & last
    return slot


@compiled
def _remove(table: Hashes, gone: np.uint64) -> None:
    """Deletes by shifting back the entries whose home lies at or before the hole."""
    last = len(table) - 1
    hole = _place(table, gone)
    if table[hole] == EMPTY:
        return
    slot = hole
    while True:
        slot = (slot + 1) & last
        if table[slot] == EMPTY:
            break
        home = np.int64(table[slot] & np.uint64(last))
        if ((slot - home) & last) >= ((slot - hole) & last):
            table[hole] = table[slot]
            hole = slot
    table[hole] = EMPTY


@compiled
def _fill(table: Hashes, known: Hashes) -> None:
    for i in range(len(known)):
        table[_place(table, known[i])] = known[i]


@compiled
def _remember(table: Hashes, ring: Hashes, count: int, ids: Hashes, repeated: Mask) -> int:
    for i in range(len(ids)):
        wanted = ids[i] if ids[i] != EMPTY else np.uint64(1)
        if table[_place(table, wanted)] == wanted:
            repeated[i] = True
            continue
        at = count % len(ring)
        if count >= len(ring):
            _remove(table, ring[at])
        table[_place(table, wanted)] = wanted
        ring[at] = wanted
        count += 1
    return count


class SeenIds:
    """Remembers event ids; not safe to use after an exception, load it again then.

    Args:
        capacity: D, how many ids are remembered.
        stored: The ring's bytes as stored, 8 a hash; may be shorter than D while it fills.
        count: How many ids were ever remembered.
    """

    def __init__(self, capacity: int, stored: bytes = b"", count: int = 0) -> None:
        self.capacity = capacity
        self.count = count
        self._ring = np.zeros(capacity, np.uint64)
        kept = np.frombuffer(stored, np.uint64)[:capacity]
        self._ring[: len(kept)] = kept
        self._table = np.zeros(2 << (capacity - 1).bit_length(), np.uint64)
        _fill(self._table, self._ring[: min(count, capacity)])

    def remember(self, ids: Hashes) -> Mask:
        """Remembers each id in turn; true where it had been seen before."""
        repeated = np.zeros(len(ids), np.bool_)
        self.count = _remember(self._table, self._ring, self.count, ids, repeated)
        return repeated

    def written_since(self, count: int) -> list[tuple[int, bytes]]:
        """What the ring gained since it had remembered `count` ids: `(byte offset, bytes)`."""
        if self.count - count >= self.capacity:
            return [(0, self._ring.tobytes())]
        first, end = count % self.capacity, self.count % self.capacity
        if first == end:
            return []
        if first < end:
            return [(8 * first, self._ring[first:end].tobytes())]
        pieces = [(8 * first, self._ring[first:].tobytes())]
        return pieces + ([(0, self._ring[:end].tobytes())] if end else [])

    def copy(self) -> SeenIds:
        return SeenIds(self.capacity, self._ring.tobytes(), self.count)
