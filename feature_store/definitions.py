"""Windowed features, declared once, as data; `kernel.py` computes them online and offline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from feature_store.columns import Columns, Ints, Mask, TextColumn

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

GAP = "gap"
"""A value that every entity has: milliseconds since its previous event.

It is measured once, when the event arrives, against the newest event that the entity then had.
It is unknown for an entity's first event, for an event older than the newest, and after a silence
longer than the longest window (an entity may have been forgotten by then).
"""


class Aggregate(Enum):
    """How the events of a window become one number; NaN where it is unknown."""

    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"
    """Unknown over no event."""
    STD = "std"
    """Sample standard deviation (n - 1); unknown over fewer than two events."""
    MIN = "min"
    MAX = "max"
    DISTINCT = "distinct"
    SHARE = "share"
    """Events that pass the filter over all events of the window, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A named claim about single events: which of them an aggregate looks at."""

    name: str
    holds: Callable[[Columns], Mask]


@dataclass(frozen=True, slots=True)
class Value:
    """A named integer of single events, |value| <= 2**40: minor units, bytes, milliseconds."""

    name: str
    of: Callable[[Columns], Ints]


@dataclass(frozen=True, slots=True)
class Distinct:
    """A named text of single events, told apart by a stable 32-bit hash."""

    name: str
    of: Callable[[Columns], TextColumn]


@dataclass(frozen=True, slots=True)
class WindowFeature:
    """One number per event: an aggregate over its entity's events in `(t - over, t]`.

    The window is by event time and holds the event itself and those before it in offset order.

    Args:
        name: `<entity>_<what>_<aggregate>_<window>`.
        aggregate: What is computed.
        over: The window's length.
        value: The `Value` or `Distinct` looked at, or `GAP`; None for COUNT and SHARE.
        where: The `Filter` that an event must pass; None takes every event.
    """

    name: str
    aggregate: Aggregate
    over: timedelta
    value: str | None = None
    where: str | None = None


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """All that is kept about one kind of entity.

    Args:
        entity: What an entity is called in keys and in text: `client`.
        key: The event's column that names its entity.
        capacity: N: how many of an entity's newest events are kept as they are. Features are
            exact while an entity has at most N events in its longest window; beyond that, a
            window's tail may reach back by up to 1/24 of the window too far.
        distinct_capacity: How many of the newest distinct values are told apart; beyond it a
            distinct count saturates. At least `capacity`.
    """

    entity: str
    key: str
    features: tuple[WindowFeature, ...]
    values: tuple[Value, ...] = ()
    filters: tuple[Filter, ...] = ()
    distincts: tuple[Distinct, ...] = ()
    capacity: int = 64
    distinct_capacity: int = 128

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    @property
    def windows(self) -> tuple[timedelta, ...]:
        """The distinct window lengths, shortest first."""
        return tuple(sorted({feature.over for feature in self.features}))

    @property
    def longest(self) -> timedelta:
        return self.windows[-1]


def over_windows(
    what: str,
    aggregate: Aggregate,
    windows: Sequence[timedelta],
    *,
    value: str | None = None,
    where: str | None = None,
) -> tuple[WindowFeature, ...]:
    """The same aggregate over several windows: `ip_errors` gives `ip_errors_count_1m`, ..."""
    return tuple(
        WindowFeature(f"{what}_{aggregate.value}_{short(over)}", aggregate, over, value, where)
        for over in windows
    )


def short(over: timedelta) -> str:
    """A window's length as it stands in names: 1m, 10m, 1h, 24h, 7d.

    A day is 24h; more than one whole day is written in days.
    """
    seconds = int(over.total_seconds())
    if seconds % 86_400 == 0 and seconds > 86_400:
        return f"{seconds // 86_400}d"
    for unit, size in (("h", 3_600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
