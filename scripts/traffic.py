"""A pack's simulated traffic: a day that ends now, and clients that come after it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

from models.pack import DomainPack
from producer.instants import micros
from producer.pacing import moved

MICROSECOND = timedelta(microseconds=1)
DAY_EVENTS = 5_000
"""Of each day that clients are taken from once the first is over."""

LONGEST_VISIT_US = timedelta(hours=1) // MICROSECOND


@dataclass(frozen=True, slots=True)
class Day:
    """Events in the order in which they happened.

    Args:
        attackers: The clients that the simulator says are some.
        others: The other clients.
    """

    events: Sequence[Any]
    attackers: frozenset[str]
    others: frozenset[str]


def day_until(pack: DomainPack, seed: int, events: int, until_us: int) -> Day:
    """A seeded day, moved so that its last event happens at a time, microseconds since 1970."""
    told = list(pack.simulate(seed, events))
    by = until_us - micros(told[-1][0].occurred_at)
    attackers = frozenset(pack.entity(event) for event, label in told if label)
    clients = frozenset(pack.entity(event) for event, _ in told)
    return Day([moved(event, by) for event, _ in told], attackers, clients - attackers)


class Live:
    """Clients of simulated days, one after another, each at its own pace.

    A client begins where the events so far fall short of the rate: a burst is followed by quiet.

    Args:
        rate: Events a second, in the long run.
        at_us: When it begins, microseconds since 1970.
    """

    def __init__(self, pack: DomainPack, seed: int, rate: float, at_us: int) -> None:
        self._rate = rate
        self._began_us = at_us
        self._visits = visits(pack, seed)
        self._coming: list[tuple[int, int, Any]] = []
        self._number = count()
        self._events = 0

    def until(self, at_us: int) -> list[Any]:
        """What has happened up to a time and was not told yet, in order."""
        happened: list[Any] = []
        wanted = int(self._rate * (at_us - self._began_us) / 1e6)
        while True:
            while self._coming and self._coming[0][0] <= at_us:
                at, _, event = heapq.heappop(self._coming)
                happened.append(moved(event, at - micros(event.occurred_at)))
            if self._events + len(happened) >= wanted:
                self._events += len(happened)
                return happened
            self._begin(next(self._visits), at_us)

    def _begin(self, visit: Sequence[Any], at_us: int) -> None:
        by = at_us - micros(visit[0].occurred_at)
        for event in visit:
            at = micros(event.occurred_at) + by
            heapq.heappush(self._coming, (at, next(self._number), event))


def visits(pack: DomainPack, seed: int) -> Iterator[list[Any]]:
    """What each client does within an hour of its first event; day after day, without end."""
    for day in count(seed):
        clients: dict[str, list[Any]] = {}
        for event, _ in pack.simulate(day, DAY_EVENTS):
            visit = clients.setdefault(pack.entity(event), [])
            if not visit or gap_us(visit[0], event) <= LONGEST_VISIT_US:
                visit.append(event)
        yield from clients.values()


def gap_us(first: Any, then: Any) -> int:
    return micros(then.occurred_at) - micros(first.occurred_at)
