"""The shape of a request: how deep, how long, how encoded and how disorderly it is."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from feature_store.columns import Floats, Ints, TextColumn
from feature_store.compiled import compiled
from feature_store.text import escaped_byte

Bytes = NDArray[np.uint8]

SLASH, QUESTION, PERCENT = 47, 63, 37
PLAIN = np.zeros(256, np.bool_)
"""Bytes that a request is ordinarily written with (RFC 3986: unreserved, and what separates)."""
PLAIN[[ord(c) for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"]] = True
PLAIN[[ord(c) for c in "-._~/?&=%+,:;@#"]] = True

ENTROPY_STEPS = 1024
"""Of a bit: the last bits of a logarithm depend on the machine."""


class Shapes(NamedTuple):
    """One row a request, `(n,)`.

    Args:
        depth: Parts of the path that are not empty.
        query_bytes: Behind the first `?`.
        encoded: Bytes that are percent-encoded.
        odd: Bytes that a request ordinarily has only percent-encoded, such as quotes and brackets.
        entropy: Bits a byte (Shannon 1948), in steps of 1/1024; 0 for an empty text.
    """

    depth: Ints
    query_bytes: Ints
    encoded: Ints
    odd: Ints
    entropy: Floats


def shapes(requests: TextColumn) -> Shapes:
    """The shape of each request; a request is a path with its query, as sent."""
    counted, entropy = _shapes(requests.buffer, requests.offsets, PLAIN)
    depth, query_bytes, encoded, odd = counted.T.copy()
    return Shapes(depth, query_bytes, encoded, odd, entropy)


@compiled
def _shapes(buffer: Bytes, offsets: Ints, plain: NDArray[np.bool_]) -> tuple[Ints, Floats]:
    n = len(offsets) - 1
    counted, entropy = np.zeros((n, 4), np.int64), np.zeros(n)
    seen = np.zeros(256, np.int64)
    for i in range(n):
        _count(buffer, offsets[i], offsets[i + 1], plain, counted[i], seen)
        entropy[i] = _entropy(seen, offsets[i + 1] - offsets[i])
        seen[:] = 0
    return counted, entropy


@compiled
def _count(
    buffer: Bytes, at: int, end: int, plain: NDArray[np.bool_], counted: Ints, seen: Ints
) -> None:
    """Depth, query, encoded and odd bytes of one request, and how often each byte occurs."""
    in_path, before = True, SLASH
    for place in range(at, end):
        byte = buffer[place]
        seen[byte] += 1
        if in_path and byte == QUESTION:
            in_path = False
            counted[1] = end - place - 1
        elif in_path and byte != SLASH and before == SLASH:
            counted[0] += 1
        if byte == PERCENT and escaped_byte(buffer, place + 1, end) >= 0:
            counted[2] += 1
        elif not plain[byte]:
            counted[3] += 1
        before = byte


@compiled
def _entropy(seen: Ints, length: int) -> float:
    total = 0.0
    for count in seen:
        if count > 1:
            total += count * math.log2(count)
    if length == 0:
        return 0.0
    return round((math.log2(length) - total / length) * ENTROPY_STEPS) / ENTROPY_STEPS
