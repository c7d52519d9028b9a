from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_store.seen import SeenIds

ids = st.lists(st.integers(0, 40), max_size=120)


def hashes(numbers: list[int]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    # Far apart and colliding in the low bits, where a table's slot comes from.
    return np.array([number << 7 for number in numbers], np.uint64)


class LastIds:
    """The promise in three lines: the last D distinct arrivals, oldest out first."""

    def __init__(self, capacity: int) -> None:
        self.ring: deque[int] = deque(maxlen=capacity)

    def remember(self, number: int) -> bool:
        if number in self.ring:
            return True
        self.ring.append(number)
        return False


@given(ids, st.integers(1, 12))
def test_repeats_are_those_among_the_last_d_ids(numbers: list[int], capacity: int) -> None:
    seen, oracle = SeenIds(capacity), LastIds(capacity)

    repeated = seen.remember(hashes(numbers)).tolist()

    assert repeated == [oracle.remember(number) for number in numbers]


@given(ids, ids, st.integers(1, 12))
def test_what_was_stored_remembers_the_same(first: list[int], then: list[int], d: int) -> None:
    seen = SeenIds(d)
    stored = bytearray(8 * d)
    for chunk in (first[: len(first) // 2], first[len(first) // 2 :]):
        before = seen.count
        seen.remember(hashes(chunk))
        for offset, piece in seen.written_since(before):
            stored[offset : offset + len(piece)] = piece
    restored = SeenIds(d, bytes(stored[: 8 * min(d, seen.count)]), seen.count)

    assert restored.remember(hashes(then)).tolist() == seen.remember(hashes(then)).tolist()


@pytest.mark.parametrize("split", [0, 1, 3, 7, 8])
def test_chunks_do_not_matter(split: int) -> None:
    numbers = [1, 2, 1, 3, 4, 2, 5, 1]
    whole, cut = SeenIds(3), SeenIds(3)

    together = whole.remember(hashes(numbers)).tolist()
    apart = [*cut.remember(hashes(numbers[:split])), *cut.remember(hashes(numbers[split:]))]

    assert together == apart
    assert whole.count == cut.count


def test_a_copy_may_be_spoilt() -> None:
    seen = SeenIds(4)
    seen.remember(hashes([1, 2]))

    seen.copy().remember(hashes([3, 4, 5, 6]))

    assert seen.remember(hashes([1, 2, 3])).tolist() == [True, True, False]
