"""What clients send: mostly sound, partly repeated, late, early, broken or poisonous."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from producer.records import Headers
from tests.simulation.chance import Chance
from tests.simulation.domain import (
    BREAKS_DECODING,
    BREAKS_FOLDING,
    LARGEST,
    REPEATED_FOR_S,
    TEN_MINUTES,
)

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
BEGINNING_MS = int(BEGINNING.timestamp()) * 1000
ENTITIES = 3
"""Of each partition: few, so that they meet."""
MALFORMED = (
    b"{",
    b"null",
    b"\xff\xfe\x00",
    b'{"occurred_at": 7, "entity": "e"}',
    b'{"entity": "without a time"}',
    b'{"occurred_at": "2026-01-01T00:00:00Z", "entity": "e", "colour": "red"}',
    b"{} {}",
)


@dataclass(frozen=True, slots=True)
class Sent:
    """A record as a client sends it."""

    partition: int
    value: bytes
    headers: Headers = ()


@dataclass(slots=True)
class Traffic:
    """Makes the records of one run.

    Args:
        now_s: Virtual seconds since the beginning.
    """

    chance: Chance
    partitions: int
    now_s: Callable[[], float]
    odd: float = 0.0
    made: int = 0
    batches: int = 0
    lines: list[list[tuple[float, bytes]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.odd = self.chance.random.choice((0.0, 0.1, 0.3))
        self.lines = [[] for _ in range(self.partitions)]

    def record(self) -> Sent:
        """The next record, of one to four lines."""
        draw = self.chance.random
        partition = draw.randrange(self.partitions)
        if draw.random() < self.odd * 0.05:
            self.chance.met("input.blank")
            return Sent(partition, draw.choice((b"", b"\n \n")))
        lines = [self._line(partition) for _ in range(draw.choice((1, 1, 2, 4)))]
        return Sent(partition, b"\n".join(lines), self._headers())

    def _headers(self) -> Headers:
        if self.chance.random.random() < 0.5:
            return ()
        self.batches += 1
        batch = f"batch-{self.batches}".encode()
        return (("batch", batch), ("part", b"0"), ("reply", b"api"))

    def _line(self, partition: int) -> bytes:
        draw = self.chance.random
        recent = self.now_s() - REPEATED_FOR_S
        before = [line for sent_s, line in self.lines[partition] if sent_s >= recent]
        if before and draw.random() < self.odd * 0.3:
            self.chance.met("input.repeat")
            return draw.choice(before[-8:] if draw.random() < 0.5 else before)
        line = self._odd(partition) if draw.random() < self.odd else encoded(self._event(partition))
        self.lines[partition].append((self.now_s(), line))
        return line

    def _event(self, partition: int, at_s: float | None = None) -> dict[str, Any]:
        draw = self.chance.random
        self.made += 1
        when = (
            self.now_s() - draw.choice((0, 0, 0, 5, 70)) * draw.random() if at_s is None else at_s
        )
        return {
            "occurred_at": written(when),
            "entity": f"e{partition}{draw.randrange(ENTITIES)}",
            "size": draw.randrange(100),
            "key": f"key-{draw.randrange(6)}",
            "event_id": f"id-{self.made}",
        }

    def _odd(self, partition: int) -> bytes:
        kind = self.chance.random.choice(
            ("late", "future", "malformed", "invalid", "poison", "nameless")
        )
        self.chance.met(f"input.{kind}")
        draw, longest = self.chance.random, TEN_MINUTES.total_seconds()
        if kind == "malformed":
            return draw.choice(MALFORMED)
        if kind == "late":
            return encoded(self._event(partition, self.now_s() - longest * (0.9 + draw.random())))
        if kind == "future":
            return encoded(self._event(partition, self.now_s() + draw.choice((290.0, 310.0, 1e9))))
        event = self._event(partition)
        if kind == "nameless":
            del event["event_id"]
        elif kind == "invalid":
            event |= draw.choice(({"size": LARGEST + 1}, {"size": -1}, {"occurred_at": "today"}))
        else:
            event["note"] = draw.choice((BREAKS_DECODING, BREAKS_FOLDING))
        return encoded(event)


def written(at_s: float) -> str:
    """Virtual seconds as RFC 3339, to the millisecond."""
    at = BEGINNING + timedelta(milliseconds=round(at_s * 1000))
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def encoded(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode()
