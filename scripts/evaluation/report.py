"""A variant's figures, summed over its starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from statistics import fmean, pstdev

import msgspec

from models.contracts import Action
from scripts.evaluation.baselines import Baseline, Catch, pooled
from scripts.evaluation.embedded import Run
from scripts.evaluation.figures import Course, Spread, courses, spread_of
from scripts.evaluation.haystack import Haystack

LIBRARIES = ("numba", "numpy", "scikit-learn")


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked, of which data and of which model: enough to run it again.

    Args:
        lines: Of each attack, after the first `after` of its log.
        data_sha256: Of the events of background and attacks as NDJSON.
    """

    background: str
    track: str
    stretch: int
    addresses: int
    starts: int
    seed: int
    lines: int
    after: int
    model: str
    policy: str
    data_sha256: str


class Found(msgspec.Struct, frozen=True):
    """One scanner's clients over all starts."""

    attackers: int
    found: int
    blocked: int
    requests_to_block: Spread


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one variant.

    Args:
        attackers: Fresh clients, over all starts.
        attackers_found: Those that met any action but allow.
        share_found: Mean and standard deviation over the starts.
        clients: Ordinary clients of the background, without those named hostile.
        clients_blocked: Those blocked at any start.
        clients_flagged: Those alerted, challenged or blocked at any start.
        hostile: Clients of the background that were named hostile, and those of them found.
        requests_to_block: An attacker's requests up to and with the first that was blocked.
        seconds_to_block: From its first request to that one, by event time.
        events_per_second: Of both stages in one process.
    """

    setting: Setting
    attackers: int
    attackers_found: int
    attackers_blocked: int
    share_found: tuple[float, float]
    clients: int
    clients_blocked: int
    clients_flagged: int
    hostile: int
    hostile_found: int
    requests_to_block: Spread
    seconds_to_block: Spread
    events_per_second: int
    cpu_s_per_million: float
    by_attack: dict[str, Found]
    baselines: dict[str, Baseline]
    versions: dict[str, str]


@dataclass(slots=True)
class Tally:
    """What the runs of a variant add up to.

    Args:
        hostile: Clients of the background that are known to attack.
        attackers: Each attacker's log and course.
        others: The background's clients to the worst that each met at any start.
    """

    hostile: frozenset[str] = frozenset()
    attackers: list[tuple[str, Course]] = field(default_factory=list)
    others: dict[str, Action] = field(default_factory=dict)
    shares: list[float] = field(default_factory=list)
    catches: list[Mapping[str, Catch]] = field(default_factory=list)
    events: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0

    def add(self, haystack: Haystack, run: Run, catch: Mapping[str, Catch]) -> None:
        met = courses(run.actions)
        own = [(name, met[client]) for client, name in haystack.attackers.items()]
        self.attackers += own
        self.shares.append(fmean(course.worst > Action.ALLOW for _, course in own))
        for client in met.keys() - haystack.attackers.keys():
            self.others[client] = max(met[client].worst, self.others.get(client, Action.ALLOW))
        self.catches.append(catch)
        self.events += len(haystack.events)
        self.seconds += run.seconds
        self.cpu_s += run.cpu_s

    def report(self, setting: Setting) -> Report:
        ordinary = [worst for client, worst in self.others.items() if client not in self.hostile]
        hostile = [worst for client, worst in self.others.items() if client in self.hostile]
        every = [course for _, course in self.attackers]
        return Report(
            setting=setting,
            attackers=len(every),
            attackers_found=_touched([course.worst for course in every]),
            attackers_blocked=_blocked([course.worst for course in every]),
            share_found=(fmean(self.shares), pstdev(self.shares)),
            clients=len(ordinary),
            clients_blocked=_blocked(ordinary),
            clients_flagged=_touched(ordinary),
            hostile=len(hostile),
            hostile_found=_touched(hostile),
            requests_to_block=spread_of([course.requests_to_block for course in every]),
            seconds_to_block=spread_of([course.seconds_to_block for course in every]),
            events_per_second=round(self.events / self.seconds),
            cpu_s_per_million=round(1e6 * self.cpu_s / self.events, 2),
            by_attack=_by_attack(self.attackers),
            baselines=pooled(self.catches),
            versions={name: version(name) for name in LIBRARIES},
        )


def _by_attack(attackers: Sequence[tuple[str, Course]]) -> dict[str, Found]:
    return {
        name: _found([course for own, course in attackers if own == name])
        for name in dict.fromkeys(name for name, _ in attackers)
    }


def _found(own: Sequence[Course]) -> Found:
    worst = [course.worst for course in own]
    spread = spread_of([course.requests_to_block for course in own])
    return Found(len(own), _touched(worst), _blocked(worst), spread)


def _touched(worst: Sequence[Action]) -> int:
    return sum(action > Action.ALLOW for action in worst)


def _blocked(worst: Sequence[Action]) -> int:
    return sum(action == Action.BLOCK for action in worst)
