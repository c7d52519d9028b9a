"""Kernels over the strings of a chunk: hashes, times, and which patterns occur."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feature_store.columns import Ints, Mask, TextColumn
from feature_store.compiled import compiled

Bytes = NDArray[np.uint8]
Hashes = NDArray[np.uint64]
Moves = NDArray[np.uint32]

INVALID_TIME = np.iinfo(np.int64).min
"""What `parse_times` gives for a text that is not a time."""

START = "\x02"
"""In a pattern: the beginning of the text."""
END = "\x03"
"""In a pattern: the end of the text."""


def hash64(column: TextColumn) -> Hashes:
    """XXH64 with seed 0 of each string, `(n,)`: the same on every machine and in every run.

    References:
        https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
    """
    return _hash_all(column.buffer, column.offsets)


def parse_times(column: TextColumn) -> Ints:
    """RFC 3339 times as microseconds since 1970 in UTC, `(n,)`.

    `2026-11-21T03:00:00Z`, with a fraction of 1 to 9 digits (cut to microseconds), with `Z` or an
    offset `+02:00`, and `T` or a space between. All else is `INVALID_TIME`: a time without an
    offset, a leap second, and what lies outside the years 1970 to 9999 of UTC.
    """
    return _parse_all(column.buffer, column.offsets)


@dataclass(frozen=True, slots=True)
class Automaton:
    """All patterns of some groups, found in one walk over a text (Aho and Corasick 1975).

    Args:
        groups: The groups' names; group i is bit i.
        classes: Byte to its class after lower-casing; bytes in no pattern are class 0.
        shift: A state is a multiple of `2**shift`, which is more than there are classes.
        moves: Next state, by state + class.
        found: Bits of the groups that have a pattern ending in a state, by state >> shift.
    """

    groups: tuple[str, ...]
    classes: Bytes
    shift: np.uint32
    moves: Moves
    found: Hashes

    @classmethod
    def of(cls, groups: Mapping[str, Sequence[str]]) -> Automaton:
        """At most 64 groups; patterns in lower case, as they read once percent-decoded."""
        patterns = [
            (pattern.encode(), np.uint64(1) << np.uint64(bit))
            for bit, name in enumerate(groups)
            for pattern in groups[name]
        ]
        classes = _classes(pattern for pattern, _ in patterns)
        children, found = _trie(patterns, classes)
        shift = int(classes.max()).bit_length()
        moves, ends = _moves(children, found, 1 << shift)
        flat = (moves << shift).astype(np.uint32).ravel()
        return cls(tuple(groups), classes, np.uint32(shift), flat, ends)

    def held(self, marks: Hashes) -> Mapping[str, Mask]:
        """Group to which of the marked texts hold a pattern of it, `(n,)`; not to be changed."""
        # All groups at once: to shift and mask for each takes longer than to find them.
        bytes_of = marks.astype("<u8", copy=False).view(np.uint8).reshape(len(marks), 8)
        bits = np.unpackbits(bytes_of, axis=1, count=len(self.groups), bitorder="little")
        masks = np.ascontiguousarray(bits.T).view(np.bool_)
        masks.flags.writeable = False
        return dict(zip(self.groups, masks, strict=True))


def marks(column: TextColumn, automaton: Automaton) -> Hashes:
    """The groups whose patterns occur in each text, as bits, `(n,)`.

    Texts are read in lower case and percent-decoded once; in a query, `+` is a space.
    """
    classes, moves, found = automaton.classes, automaton.moves, automaton.found
    return _mark_all(column.buffer, column.offsets, classes, moves, found, automaton.shift)


def _classes(patterns: Iterable[bytes]) -> Bytes:
    used = sorted({byte for pattern in patterns for byte in pattern})
    classes = np.zeros(256, np.uint8)
    classes[used] = np.arange(1, len(used) + 1)
    upper = np.arange(ord("A"), ord("Z") + 1)
    classes[upper] = classes[upper + 32]
    return classes


def _trie(
    patterns: Sequence[tuple[bytes, np.uint64]], classes: Bytes
) -> tuple[list[dict[int, int]], list[np.uint64]]:
    children: list[dict[int, int]] = [{}]
    found = [np.uint64(0)]
    for pattern, bit in patterns:
        state = 0
        for byte in pattern:
            state = children[state].setdefault(int(classes[byte]), len(children))
            if state == len(children):
                children.append({})
                found.append(np.uint64(0))
        found[state] |= bit
    return children, found


def _moves(
    children: list[dict[int, int]], found: list[np.uint64], n_classes: int
) -> tuple[Ints, Hashes]:
    """The trie with every failure link followed, breadth first, so that a move is one look-up."""
    moves = np.zeros((len(children), n_classes), np.int64)
    ends = np.array(found, np.uint64)
    queue = deque([(0, 0)])
    while queue:
        state, fallback = queue.popleft()
        ends[state] |= ends[fallback]
        if state:
            moves[state] = moves[fallback]
        for symbol, child in children[state].items():
            queue.append((child, int(moves[fallback, symbol]) if state else 0))
            moves[state, symbol] = child
    return moves, ends


_P1 = np.uint64(0x9E3779B185EBCA87)
_P2 = np.uint64(0xC2B2AE3D27D4EB4F)
_P3 = np.uint64(0x165667B19E3779F9)
_P4 = np.uint64(0x85EBCA77C2B2AE63)
_P5 = np.uint64(0x27D4EB2F165667C5)
_SEED_1 = np.uint64(0x60EA27EEADC0B5D6)  # P1 + P2
_SEED_4 = np.uint64(0x61C8864E7A143579)  # -P1


@compiled
def _little_endian(buffer: Bytes, at: int, size: int) -> np.uint64:
    word = np.uint64(0)
    for i in range(size):
        word |= np.uint64(buffer[at + i]) << np.uint64(8 * i)
    return word


@compiled
def _rotated(word: np.uint64, by: int) -> np.uint64:
    return (word << np.uint64(by)) | (word >> np.uint64(64 - by))


@compiled
def _round(lane: np.uint64, word: np.uint64) -> np.uint64:
    return _rotated(lane + word * _P2, 31) * _P1


@compiled
def _merged(digest: np.uint64, lane: np.uint64) -> np.uint64:
    return (digest ^ _round(np.uint64(0), lane)) * _P1 + _P4


@compiled
def _stripes(buffer: Bytes, start: int, end: int) -> np.uint64:
    """The part of XXH64 over whole 32-byte stripes."""
    a, b, c, d = _SEED_1, _P2, np.uint64(0), _SEED_4
    for at in range(start, end - 31, 32):
        a = _round(a, _little_endian(buffer, at, 8))
        b = _round(b, _little_endian(buffer, at + 8, 8))
        c = _round(c, _little_endian(buffer, at + 16, 8))
        d = _round(d, _little_endian(buffer, at + 24, 8))
    digest = _rotated(a, 1) + _rotated(b, 7) + _rotated(c, 12) + _rotated(d, 18)
    return _merged(_merged(_merged(_merged(digest, a), b), c), d)


@compiled
def _hash(buffer: Bytes, start: int, end: int) -> np.uint64:
    length = end - start
    digest = (_stripes(buffer, start, end) if length >= 32 else _P5) + np.uint64(length)
    at = start + length // 32 * 32
    while at + 8 <= end:
        word = _round(np.uint64(0), _little_endian(buffer, at, 8))
        digest = _rotated(digest ^ word, 27) * _P1 + _P4
        at += 8
    if at + 4 <= end:
        digest = _rotated(digest ^ (_little_endian(buffer, at, 4) * _P1), 23) * _P2 + _P3
        at += 4
    while at < end:
        digest = _rotated(digest ^ (np.uint64(buffer[at]) * _P5), 11) * _P1
        at += 1
    digest = (digest ^ (digest >> np.uint64(33))) * _P2
    digest = (digest ^ (digest >> np.uint64(29))) * _P3
    return digest ^ (digest >> np.uint64(32))


@compiled
def _hash_all(buffer: Bytes, offsets: Ints) -> Hashes:
    hashes = np.empty(len(offsets) - 1, np.uint64)
    for i in range(len(hashes)):
        hashes[i] = _hash(buffer, offsets[i], offsets[i + 1])
    return hashes


@compiled
def _byte(buffer: Bytes, at: int) -> int:
    # Signed on purpose: numba makes a float of an unsigned number minus a signed one.
    return np.int64(buffer[at])  # type: ignore[return-value]  # an int once compiled


@compiled
def _number(buffer: Bytes, at: int, digits: int) -> int:
    """The decimal number at a place; so negative that no sum hides it where there is none."""
    value = 0
    for i in range(at, at + digits):
        digit = _byte(buffer, i) - 48
        if digit < 0 or digit > 9:
            return -1_000_000
        value = value * 10 + digit
    return value


@compiled
def _day(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01, or -1 where there is no such day from then on."""
    if year < 1970 or month < 1 or month > 12 or day < 1:
        return -1
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = 30 + (month + month // 8) % 2 if month != 2 else 28 + leap
    if day > longest:
        return -1
    # Counted from March, a month's first day is (153 m + 2) / 5 days into the year.
    y = year - (month <= 2)
    days = y * 365 + y // 4 - y // 100 + y // 400 + (153 * ((month + 9) % 12) + 2) // 5
    return days + day - 719_469


@compiled
def _offset(buffer: Bytes, at: int, end: int) -> int:
    """Minutes ahead of UTC; 9999 where no offset ends the text."""
    if end - at == 1 and (buffer[at] | 32) == 122:  # Z
        return 0
    if end - at != 6 or buffer[at + 3] != 58 or (buffer[at] != 43 and buffer[at] != 45):
        return 9999
    hours, minutes = _number(buffer, at + 1, 2), _number(buffer, at + 4, 2)
    if hours < 0 or hours > 23 or minutes < 0 or minutes > 59:
        return 9999
    return (44 - _byte(buffer, at)) * (hours * 60 + minutes)


@compiled
def _parse(buffer: Bytes, at: int, end: int) -> int:
    if end - at < 20 or buffer[at + 4] != 45 or buffer[at + 7] != 45:
        return INVALID_TIME
    if buffer[at + 13] != 58 or buffer[at + 16] != 58:
        return INVALID_TIME
    if (buffer[at + 10] | 32) != 116 and buffer[at + 10] != 32:  # T, t or a space
        return INVALID_TIME
    day = _day(_number(buffer, at, 4), _number(buffer, at + 5, 2), _number(buffer, at + 8, 2))
    hour, minute = _number(buffer, at + 11, 2), _number(buffer, at + 14, 2)
    second = _number(buffer, at + 17, 2)
    if day < 0 or min(hour, minute, second) < 0 or hour > 23 or minute > 59 or second > 59:
        return INVALID_TIME
    micros, rest = _fraction(buffer, at + 19, end)
    offset = _offset(buffer, rest, end)
    if micros < 0 or offset == 9999:
        return INVALID_TIME
    seconds = ((day * 24 + hour) * 60 + minute - offset) * 60 + second
    if seconds < 0 or seconds >= 253_402_300_800:  # the year 10000
        return INVALID_TIME
    return seconds * 1_000_000 + micros


@compiled
def _fraction(buffer: Bytes, at: int, end: int) -> tuple[int, int]:
    """Microseconds of a second's fraction (-1: malformed), and where the offset begins."""
    if buffer[at] != 46:
        return 0, at
    micros, unit, i = 0, 100_000, at + 1
    while i < end and i <= at + 9 and 48 <= buffer[i] <= 57:
        micros += (_byte(buffer, i) - 48) * unit
        unit //= 10
        i += 1
    return (micros if i > at + 1 else -1), i


@compiled
def _parse_all(buffer: Bytes, offsets: Ints) -> Ints:
    times = np.empty(len(offsets) - 1, np.int64)
    for i in range(len(times)):
        times[i] = _parse(buffer, offsets[i], offsets[i + 1])
    return times


@compiled
def _hex_digit(byte: int) -> int:
    if 48 <= byte <= 57:
        return byte - 48
    letter = byte | 32
    return letter - 87 if 97 <= letter <= 102 else -1


@compiled
def escaped_byte(text: Bytes, at: int, end: int) -> int:
    """The byte written as two hexadecimal digits at a place; -1 where there are none."""
    if at + 1 >= end:
        return -1
    high, low = _hex_digit(_byte(text, at)), _hex_digit(_byte(text, at + 1))
    return high * 16 + low if high >= 0 and low >= 0 else -1


@compiled
def _mark(
    text: Bytes, at: int, end: int, classes: Bytes, moves: Moves, found: Hashes, shift: np.uint32
) -> np.uint64:
    state = moves[classes[2]]
    seen: np.uint64 = found[state >> shift]
    in_query = False
    while at < end:
        byte = text[at]
        at += 1
        if byte == 37:  # %
            escaped = escaped_byte(text, at, end)
            if escaped >= 0:
                byte = np.uint8(escaped)
                at += 2
        elif byte == 43 and in_query:  # +
            byte = np.uint8(32)
        elif byte == 63:  # ?
            in_query = True
        # A text cannot forge the sentinels of its beginning and end.
        symbol = classes[0] if byte == 2 or byte == 3 else classes[byte]
        state = moves[state + symbol]
        seen |= found[state >> shift]
    seen |= found[moves[state + classes[3]] >> shift]
    return seen


@compiled
def _mark_all(
    buffer: Bytes, offsets: Ints, classes: Bytes, moves: Moves, found: Hashes, shift: np.uint32
) -> Hashes:
    seen = np.empty(len(offsets) - 1, np.uint64)
    for i in range(len(seen)):
        seen[i] = _mark(buffer, offsets[i], offsets[i + 1], classes, moves, found, shift)
    return seen
