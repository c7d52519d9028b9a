"""The text model in plain Python: slow, obvious, and written from its description alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

FACTORS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xD6E8FEB86659FD93, 0xA24BAED4963EE407)


def decoded(part: str, plus_is_space: bool) -> bytes:
    """In lower case, percent-decoded once, without the byte that ends a part."""
    raw, read, at = part.encode(), bytearray(), 0
    while at < len(raw):
        pair = raw[at + 1 : at + 3]
        if (
            raw[at] == ord("%")
            and len(pair) == 2
            and all(b in b"0123456789abcdefABCDEF" for b in pair)
        ):
            read.append(int(pair, 16))
            at += 3
            continue
        read.append(ord(" ") if raw[at] == ord("+") and plus_is_space else raw[at])
        at += 1
    return bytes(read).lower().replace(b"\0", b"\xff")


def parts_of(request: str) -> Iterator[tuple[str, bool]]:
    """The path, then each name and each value of the query."""
    path, question, query = request.partition("?")
    yield path, False
    if question:
        for pair in query.split("&"):
            name, equals, value = pair.partition("=")
            yield name, True
            if equals:
                yield value, True


def slots(read: bytes) -> list[list[int]]:
    """Of each byte, and of the end: where the weights of the n-grams are that end there."""
    padded = bytes(4) + read + b"\0"
    return [
        [
            int.from_bytes(padded[end - order - 1 : end], "big") * FACTORS[order] % 2**64 >> 48
            for order in range(4)
        ]
        for end in range(5, len(padded) + 1)
    ]


def loudest_value(text: str, weights: Sequence[int]) -> tuple[float, int, int]:
    return _loudest([decoded(text, False)], weights)


def loudest_request(text: str, weights: Sequence[int]) -> tuple[float, int, int]:
    return _loudest([decoded(*part) for part in parts_of(text)], weights)


def _loudest(parts: Sequence[bytes], weights: Sequence[int]) -> tuple[float, int, int]:
    best, before = (-math.inf, 0, 0), 0
    for part in parts:
        votes = [sum(weights[slot] for slot in row) for row in slots(part)]
        total, end, start = max(
            (sum(votes[start:end]), -end, start)
            for end in range(1, len(votes) + 1)
            for start in range(end)
        )
        loudness = total / math.sqrt(-end - start)
        if loudness > best[0]:
            best = (loudness, before + start, before - end)
        before += len(votes)
    return best
