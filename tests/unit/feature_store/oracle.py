"""What features should be, by brute force over raw events: plain Python, none of the kernel."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fractions import Fraction

from feature_store.definitions import GAP, Aggregate, FeatureSet, WindowFeature


@dataclass(frozen=True)
class Event:
    at: int
    entity: int = 0
    values: tuple[int, ...] = ()
    flags: tuple[bool, ...] = ()
    hashes: tuple[int, ...] = ()
    gap: int | None = None

    def canonical(self) -> tuple[object, ...]:
        bits = sum(1 << i for i, flag in enumerate(self.flags) if flag)
        return (self.at, bits, self.values, -1 if self.gap is None else self.gap, self.hashes)


@dataclass
class Entity:
    """One entity's folded events, in order of arrival."""

    declared: FeatureSet
    folded: list[Event] = field(default_factory=list)
    split: tuple[list[Event], list[Event]] = field(default=([], []))

    def fold(self, event: Event) -> list[float] | None:
        """The event's features, or None if it is late."""
        if self.folded and event.at < self.newest - self.longest:
            return None
        measured = replace(event, gap=self.gap(event))
        self.folded.append(measured)
        self.split = self.ring_and_older()
        return self.features(measured.at, measured)

    def read(self, at: int) -> list[float]:
        return self.features(at, None)

    def features(self, at: int, itself: Event | None) -> list[float]:
        overs = {microseconds(feature) for feature in self.declared.features}
        windows = {over: self.window(over, at, itself) for over in overs}
        return [
            self.distinct(feature, at, itself)
            if feature.aggregate is Aggregate.DISTINCT
            else self.value(feature, windows[microseconds(feature)])
            for feature in self.declared.features
        ]

    @property
    def newest(self) -> int:
        return max(event.at for event in self.folded)

    @property
    def longest(self) -> int:
        return self.declared.longest // timedelta(microseconds=1)

    def gap(self, event: Event) -> int | None:
        if not self.folded or not 0 <= event.at - self.newest <= self.longest:
            return None
        return (event.at - self.newest) // 1000

    def ring_and_older(self) -> tuple[list[Event], list[Event]]:
        ordered = sorted(self.folded, key=Event.canonical)
        reachable = [e for e in ordered if e.at > self.newest - 2 * self.longest]
        newest = reachable[-self.declared.capacity :]
        return newest, ordered[: len(ordered) - len(newest)]

    def window(self, over: int, at: int, itself: Event | None) -> list[Event]:
        if not self.folded:
            return []
        ring, older = self.split
        inside = [e for e in ring if at - over < e.at <= at]
        size = over // 24
        ring_tells_all = all(event.at <= at - over for event in older)
        for event in [] if ring_tells_all else older:
            start = event.at // size * size
            is_kept = start + size > self.newest - over
            if is_kept and start <= at and start + size > at - over:
                inside.append(event)
        if itself is not None and not any(event is itself for event in inside):
            inside.append(itself)
        return inside

    def value(self, feature: WindowFeature, window: Sequence[Event]) -> float:
        chosen = [e for e in window if self.passes(feature, e)]
        if feature.aggregate is Aggregate.COUNT:
            return float(len(chosen))
        if feature.aggregate is Aggregate.SHARE:
            return len(chosen) / len(window) if window else math.nan
        return aggregated(feature.aggregate, list(self.numbers(feature, chosen)))

    def passes(self, feature: WindowFeature, event: Event) -> bool:
        if feature.where is None:
            return True
        names = [f.name for f in self.declared.filters]
        return event.flags[names.index(feature.where)]

    def numbers(self, feature: WindowFeature, events: Sequence[Event]) -> Iterable[int]:
        if feature.value == GAP:
            return (e.gap for e in events if e.gap is not None)
        column = [v.name for v in self.declared.values].index(feature.value or "")
        return (e.values[column] for e in events)

    def distinct(self, feature: WindowFeature, at: int, itself: Event | None) -> float:
        return float(len(self.values_seen(feature, microseconds(feature), at, itself)))

    def values_seen(
        self, feature: WindowFeature, over: int, at: int, itself: Event | None
    ) -> set[int]:
        if not self.folded:
            return set()
        column = [d.name for d in self.declared.distincts].index(feature.value or "")
        passing = [e for e in self.folded if self.passes(feature, e)]
        found = {key for seen, key in self.table(passing, column) if at - over < seen <= at}
        if at < self.newest:
            ring, _ = self.split
            shown = [e for e in ring if at - over < e.at <= at and self.passes(feature, e)]
            found |= {e.hashes[column] for e in shown}
            if itself is not None and self.passes(feature, itself):
                found.add(itself.hashes[column])
        return found

    def table(self, events: Sequence[Event], column: int) -> list[tuple[int, int]]:
        """The newest pairs of (last seen, hash), as many as are told apart."""
        last: dict[int, int] = {}
        for event in events:
            key = event.hashes[column]
            last[key] = max(event.at, last.get(key, event.at))
        kept = self.newest - self.longest
        pairs = sorted((seen, key) for key, seen in last.items() if seen > kept)
        return pairs[-self.declared.distinct_capacity :]


def microseconds(feature: WindowFeature) -> int:
    return feature.over // timedelta(microseconds=1)


def aggregated(aggregate: Aggregate, numbers: Sequence[int]) -> float:
    n = len(numbers)
    if aggregate is Aggregate.SUM:
        return float(sum(numbers))
    if n == 0 or (aggregate is Aggregate.STD and n < 2):
        return math.nan
    if aggregate is Aggregate.MIN:
        return float(min(numbers))
    if aggregate is Aggregate.MAX:
        return float(max(numbers))
    total = sum(numbers)
    if aggregate is Aggregate.MEAN:
        return total / n
    squares = sum(number * number for number in numbers)
    return math.sqrt(Fraction(n * squares - total * total, n * (n - 1)))


def features_of(declared: FeatureSet, events: Sequence[Event]) -> list[list[float] | None]:
    """Every event's features in offset order; None for late ones."""
    entities: dict[int, Entity] = {}
    return [entities.setdefault(event.entity, Entity(declared)).fold(event) for event in events]
