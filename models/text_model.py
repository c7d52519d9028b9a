"""A linear model over the characters of a text, and the stretch of it that speaks loudest.

Every byte of a text votes with the weights of the n-grams that end at it. A text's margin is that
of its loudest stretch: the stretch with the highest sum, divided by the root of its length. So an
attack is as loud in a long text as alone, and a reason can quote it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from feature_store.columns import Floats, Ints, TextColumn
from feature_store.compiled import compiled
from feature_store.text import escaped_byte

Bytes = NDArray[np.uint8]
Weights = NDArray[np.int16]
Slots = NDArray[np.int32]

VALUE, PATH, NAME, INPUT = range(4)
"""Where a reader is: in a text that is one value, or in the parts of a request."""

LONGEST = 4
"""Characters of the longest n-gram; all shorter ones count too."""
SLOTS = 2**16
"""Weights of a model; n-grams that share one by chance share its weight."""

LONGEST_QUOTE = 80
"""Characters."""

_SHIFT = np.uint64(64 - 16)
_FACTORS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xD6E8FEB86659FD93, 0xA24BAED4963EE407], np.uint64
)
"""Odd numbers, one for each length of n-gram (multiplicative hashing, Knuth volume 3, 6.4)."""


class Stretches(NamedTuple):
    """The loudest stretch of each text.

    Args:
        loudness: Its sum of weights over the root of its length, `(n,)`.
        start: Where it begins, in bytes after decoding, `(n,)`.
        end: Where it ends; one past the text where the text's end itself counts, `(n,)`.
    """

    loudness: Floats
    start: Ints
    end: Ints


@dataclass(frozen=True, slots=True)
class TextModel:
    """A fitted model; safe to share between threads.

    Args:
        weights: Of n-grams by their hash, `(SLOTS,)`.
        loudness: Points of the calibration, rising.
        score: What they stand for, in [0, 1]; linear between.
    """

    weights: Weights
    loudness: tuple[float, ...]
    score: tuple[float, ...]

    def calibrated(self, loudness: Floats) -> Floats:
        score: Floats = np.interp(loudness, self.loudness, self.score)
        return score


def text_scores(requests: TextColumn, model: TextModel) -> Floats:
    """How surely some part of each request carries an attack, in [0, 1], `(n,)`.

    A request is a path with its query, as sent. Its parts are the path, and each name and value of
    the query; the loudest speaks for all. They are read in lower case and percent-decoded once; in
    a query, `+` is a space.
    """
    return model.calibrated(loudest(requests, model.weights, PATH).loudness)


def value_scores(values: TextColumn, model: TextModel) -> Floats:
    """The same of texts that are one value each: of a form's field, of a header, `(n,)`."""
    return model.calibrated(loudest(values, model.weights, VALUE).loudness)


def loudest(column: TextColumn, weights: Weights, place: int) -> Stretches:
    """The loudest stretch of each text, read as one value (`VALUE`) or as a request (`PATH`)."""
    return Stretches(*_loudest_all(column.buffer, column.offsets, weights, place))


def slots_of(values: TextColumn) -> tuple[Slots, Ints]:
    """Where the weights of each byte's n-grams are, and where each value's bytes end.

    Returns:
        `(n_steps, LONGEST)` and `(n_values + 1,)`; a step is a byte after decoding, or a value's
        end. For fitting.
    """
    return _slots_all(values.buffer, values.offsets)


def loudest_quotes(requests: TextColumn, rows: Ints, model: TextModel) -> list[str]:
    """The loudest stretch of some requests, to be shown to people: short, and printable."""
    quotes = []
    for row in rows.tolist():
        text = TextColumn(requests.buffer, requests.offsets[row : row + 2])
        _, [start], [end] = loudest(text, model.weights, PATH)
        quotes.append(_shown(quoted(text, start, end)))
    return quotes


def quoted(text: TextColumn, start: int, end: int, place: int = PATH) -> str:
    """A stretch of a single text as its reader saw it: decoded, in lower case."""
    read = _read_all(text.buffer, text.offsets[0], text.offsets[1], place)
    return bytes(read[start:end]).strip(b"\0").decode(errors="replace")


def _shown(quote: str) -> str:
    """Of a text that a stranger has sent: control characters would move a terminal's cursor."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in quote)
    return shown if len(shown) <= LONGEST_QUOTE else f"{shown[: LONGEST_QUOTE - 3]}..."


@compiled
def _read(text: Bytes, at: int, end: int, place: int) -> tuple[np.uint64, int, int]:
    """The next byte, 0 where a part ends; what follows it, and where the reader then is."""
    if at >= end:
        return np.uint64(0), at + 1, place
    byte: int = np.int64(text[at])  # type: ignore[assignment]  # an int once compiled
    at += 1
    if place == PATH and byte == 63:  # ?
        return np.uint64(0), at, NAME
    if place == NAME and byte == 61:  # =
        return np.uint64(0), at, INPUT
    if place >= NAME and byte == 38:  # &
        return np.uint64(0), at, NAME
    if place >= NAME and byte == 43:  # +
        byte = 32
    elif byte == 37:  # %
        escaped = escaped_byte(text, at, end)
        if escaped >= 0:
            byte = escaped
            at += 2
    if 65 <= byte <= 90:
        byte += 32
    # A text cannot forge the end of a part; 255 is no byte of UTF-8.
    return np.uint64(byte if byte != 0 else 255), at, place


@compiled
def _slot(window: np.uint64, order: int) -> np.uint64:
    """Where the weight is of the n-gram in a window's last bytes; `order` counts from 0."""
    gram = window & (np.uint64(0xFFFFFFFF) >> np.uint64(24 - 8 * order))
    slot: np.uint64 = (gram * _FACTORS[order]) >> _SHIFT
    return slot


@compiled
def _vote(window: np.uint64, weights: Weights) -> int:
    vote = 0
    for order in range(LONGEST):
        vote += weights[_slot(window, order)]
    return vote


@compiled
def _loudest(
    text: Bytes, at: int, end: int, weights: Weights, place: int
) -> tuple[float, int, int]:
    """Kadane's walk, begun anew in every part of the text."""
    found = (-np.inf, 0, 0)
    window, step, total, start = np.uint64(0), 0, 0, 0
    top, top_start, top_end = -(2**62), 0, 0
    while at <= end:
        byte, at, place = _read(text, at, end, place)
        window = window << np.uint64(8) | byte
        if total <= 0:
            total, start = 0, step
        total += _vote(window, weights)
        step += 1
        if total > top:
            top, top_start, top_end = total, start, step
        if byte == 0:
            loudness = top / math.sqrt(top_end - top_start)
            if loudness > found[0]:
                found = (loudness, top_start, top_end)
            window, total, top = np.uint64(0), 0, -(2**62)
    return found


@compiled
def _loudest_all(
    buffer: Bytes, offsets: Ints, weights: Weights, place: int
) -> tuple[Floats, Ints, Ints]:
    n = len(offsets) - 1
    loudness, start, end = np.empty(n), np.empty(n, np.int64), np.empty(n, np.int64)
    for i in range(n):
        loudness[i], start[i], end[i] = _loudest(buffer, offsets[i], offsets[i + 1], weights, place)
    return loudness, start, end


@compiled
def _read_all(text: Bytes, at: int, end: int, place: int) -> Bytes:
    read = np.empty(end - at + 1, np.uint8)
    n = 0
    while at <= end:
        byte, at, place = _read(text, at, end, place)
        read[n] = byte
        n += 1
    return read[:n]


@compiled
def _slots_all(buffer: Bytes, offsets: Ints) -> tuple[Slots, Ints]:
    slots = np.empty((len(buffer) + len(offsets) - 1, LONGEST), np.int32)
    ends = np.zeros(len(offsets), np.int64)
    step = 0
    for i in range(len(offsets) - 1):
        at, place, window = offsets[i], VALUE, np.uint64(0)
        while at <= offsets[i + 1]:
            byte, at, place = _read(buffer, at, offsets[i + 1], place)
            window = window << np.uint64(8) | byte
            for order in range(LONGEST):
                slots[step, order] = _slot(window, order)
            step += 1
        ends[i + 1] = step
    return slots[:step], ends
