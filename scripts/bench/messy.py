"""Events as they arrive where much goes wrong: late, again, or not to be read."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from itertools import count
from random import Random

LATE, REPEATED, MALFORMED = 0.01, 0.001, 0.001
"""Shares of the lines."""
LATEST = 1_200
"""Lines that a late or a repeated one comes behind at most: 120 s of the bench's traffic."""

Keyed = tuple[str, bytes]


def messy(lines: Iterable[Keyed], seed: int) -> Iterator[Keyed]:
    """(client, line), as many as are given: a repeat or a malformed one stands for another."""
    random = Random(seed)
    earlier: deque[Keyed] = deque(maxlen=LATEST)
    for client, line in _late(lines, random):
        fate = random.random()
        if fate < MALFORMED:
            yield client, _malformed(line, random)
        elif fate < MALFORMED + REPEATED and earlier:
            yield random.choice(earlier)
        else:
            earlier.append((client, line))
            yield client, line


def _late(lines: Iterable[Keyed], random: Random) -> Iterator[Keyed]:
    held: list[tuple[int, Keyed]] = []
    for number, line in zip(count(), lines):
        while held and held[0][0] <= number:
            yield heappop(held)[1]
        if random.random() < LATE:
            heappush(held, (number + random.randint(1, LATEST), line))
        else:
            yield line
    while held:
        yield heappop(held)[1]


def _malformed(line: bytes, random: Random) -> bytes:
    """No JSON, JSON cut off, or JSON of the wrong type."""
    kinds = (
        b"not JSON: " + line,
        line[: random.randrange(1, len(line))],
        re.sub(rb'"status":\d+', b'"status":"none"', line),
    )
    return random.choice(kinds)
