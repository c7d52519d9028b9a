"""Exact 128-bit integers as two 64-bit words, for sums of squares that any order adds up alike.

Words are kept in int64 arrays as bit patterns; arithmetic is modulo 2**128.
"""

from __future__ import annotations

import numpy as np

from feature_store.in_place import in_place

HALF = np.uint64(32)
LOW_HALF = np.uint64(0xFFFFFFFF)
TWO_64 = 18446744073709551616.0


@in_place
def multiplied(a: np.uint64, b: np.uint64) -> tuple[np.uint64, np.uint64]:
    """The product of two unsigned words: (low, high)."""
    a_low, a_high = a & LOW_HALF, a >> HALF
    b_low, b_high = b & LOW_HALF, b >> HALF
    low = a_low * b_low
    middle = a_high * b_low + (low >> HALF)
    carried = a_low * b_high + (middle & LOW_HALF)
    high = a_high * b_high + (middle >> HALF) + (carried >> HALF)
    return (carried << HALF) | (low & LOW_HALF), high


@in_place
def added(
    low: np.uint64, high: np.uint64, low_2: np.uint64, high_2: np.uint64
) -> tuple[np.uint64, np.uint64]:
    total = low + low_2
    carry = np.uint64(1) if total < low else np.uint64(0)
    return total, high + high_2 + carry


@in_place
def subtracted(
    low: np.uint64, high: np.uint64, low_2: np.uint64, high_2: np.uint64
) -> tuple[np.uint64, np.uint64]:
    borrow = np.uint64(1) if low < low_2 else np.uint64(0)
    return low - low_2, high - high_2 - borrow


@in_place
def squared(value: int) -> tuple[np.uint64, np.uint64]:
    size = np.uint64(abs(value))
    return multiplied(size, size)


@in_place
def signed_product(a: int, b: int) -> tuple[np.uint64, np.uint64]:
    """The product of two signed words in two's complement: (low, high)."""
    low, high = multiplied(np.uint64(a), np.uint64(b))
    if a < 0:
        high -= np.uint64(b)
    if b < 0:
        high -= np.uint64(a)
    return low, high


@in_place
def sample_variance(n: int, total: int, low: np.uint64, high: np.uint64) -> float:
    """Variance with ddof=1 from count, sum and sum of squares; `n` is at least 2.

    Sum and squares are moved, exactly, to the integer nearest the mean. There the correction
    `rest**2 / n` is at most half of what it corrects, so nothing cancels in the one subtraction
    that is made in floating point.
    """
    pivot = total // n
    rest = total - n * pivot
    if 2 * rest > n:
        pivot += 1
        rest -= n
    moved_low, moved_high = signed_product(pivot, total + rest)
    low, high = subtracted(low, high, moved_low, moved_high)
    squares = float(high) * TWO_64 + float(low)
    return (squares - float(rest) * float(rest) / float(n)) / float(n - 1)
