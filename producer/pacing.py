"""When each event of a replay is due, and which time it says it happened."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from models.errors import InvalidEvent, InvalidSource
from models.packs.access.events import AccessEvent
from producer.instants import micros, rfc3339
from producer.rows import Row

TICK_S = 0.01
"""Events due within a tick go together: fewer, larger records."""


class Pace(Protocol):
    def due_in(self, event: AccessEvent, now: float) -> float:
        """Seconds from now until the event is due; 0 or less where it is."""


class FlatOut:
    """As fast as Kafka takes it."""

    def due_in(self, event: AccessEvent, now: float) -> float:
        return 0.0


@dataclass(slots=True)
class ByRate:
    """So many events a second, evenly."""

    events_per_s: float
    _started: float | None = None
    _events: int = 0

    def due_in(self, event: AccessEvent, now: float) -> float:
        self._started = now if self._started is None else self._started
        due = self._started + self._events / self.events_per_s
        self._events += 1
        return due - now


@dataclass(slots=True)
class BySpeed:
    """As the events happened, so many times faster; one that steps back in time just goes."""

    factor: float
    _started: float | None = None
    _first: int = 0

    def due_in(self, event: AccessEvent, now: float) -> float:
        at = micros(event.occurred_at)
        if self._started is None:
            self._started, self._first = now, at
        return self._started + (at - self._first) / 1e6 / self.factor - now


def pace_of(rate: float | None, speed: str | None) -> Pace:
    """The pace that the options ask for; flat out where they ask for none.

    Raises:
        InvalidSource: Both are given, or one is not above 0.
    """
    if rate is not None and speed is not None:
        raise InvalidSource("--rate and --speed: must not be given both")
    if rate is not None:
        if rate <= 0:
            raise InvalidSource(f"--rate: must be > 0 events a second, got {rate:g}")
        return ByRate(rate)
    return BySpeed(_factor(speed)) if speed is not None else FlatOut()


def _factor(speed: str) -> float:
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)x?", speed.strip(), re.ASCII)
    if not found or float(found[1]) <= 0:
        raise InvalidSource(f"--speed: must be a number above 0 such as 60x, got {speed!r}")
    return float(found[1])


def target_of(shift_to: str) -> int | None:
    """`now` or a time, in microseconds; None where nothing is to be moved.

    Raises:
        InvalidSource: It is neither.
    """
    if not shift_to:
        return None
    if shift_to == "now":
        return time.time_ns() // 1_000
    try:
        return micros(shift_to)
    except InvalidEvent as error:
        raise InvalidSource(f"--shift-to: must be `now` or a time, got {shift_to!r}") from error


def newest(rows: Iterable[Row | None]) -> int | None:
    """The latest event time among rows, in microseconds; None where no row is an event."""
    times = (micros(row.event.occurred_at) for row in rows if row and row.event)
    return max(times, default=None)


def moved(event: AccessEvent, by: int) -> AccessEvent:
    """The event as if it had happened so many microseconds later."""
    later = rfc3339(micros(event.occurred_at) + by)
    return msgspec.structs.replace(event, occurred_at=later)
