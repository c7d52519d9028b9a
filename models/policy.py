"""The policy: from a score and the rules that fired to one action with a time to live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from feature_store.columns import Floats, Ints
from models.contracts import Action, Severity
from models.errors import InvalidPolicy

REMEMBERED = timedelta(days=60)
"""Nothing about an entity's past actions is kept for longer, whatever a policy says."""


@dataclass(frozen=True, slots=True)
class Escalation:
    """How much longer an action holds each time that it is earned again.

    Args:
        factor: The time to live is so many times longer with each strike after the first.
        longest: But never longer than this.
        forgotten_after: So long after the action has ended, its strikes are forgotten.
    """

    factor: int = 2
    longest: timedelta = timedelta(days=7)
    forgotten_after: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Policy:
    """Thresholds of a pack, versioned with its model.

    Args:
        version: Stamped on every action.
        by_score: Action to the least score that earns it.
        by_severity: Severity of a fired rule to its action.
        ttl: Action to how long it holds; a block must have one.
        holds: This action and stricter ones, once earned, answer what the entity does next too,
            until they have ended; None where every event is answered by itself.
        escalation: Of what holds.
        fail_mode: The least action about an event of which less is known than should be, such as
            after a loss of records or of the store.

    Raises:
        InvalidPolicy: A rule above is broken.
    """

    version: str
    by_score: Mapping[Action, float]
    by_severity: Mapping[Severity, Action]
    ttl: Mapping[Action, timedelta]
    holds: Action | None = Action.BLOCK
    escalation: Escalation = field(default_factory=Escalation)
    fail_mode: Action = Action.ALERT
    ttl_us: tuple[int, ...] = field(init=False, compare=False, repr=False)
    """By action; 0 where it has none."""
    longest_us: int = field(init=False, compare=False, repr=False)
    forgotten_after_us: int = field(init=False, compare=False, repr=False)
    _score_steps: tuple[Floats, Ints] = field(init=False, compare=False, repr=False)
    """Thresholds, rising, and what is earned below the first and from each on."""
    _severity_earns: Ints = field(init=False, compare=False, repr=False)
    """By severity, from 0 on."""

    def __post_init__(self) -> None:
        if broken := self._broken():
            raise InvalidPolicy(f"policy {self.version}: {broken}")
        # Divided once: a timedelta's division costs as much as the rest of a judgement.
        lengths = tuple(micros(self.ttl.get(action, timedelta())) for action in Action)
        object.__setattr__(self, "ttl_us", lengths)
        object.__setattr__(self, "_score_steps", score_steps(self.by_score))
        object.__setattr__(self, "_severity_earns", severity_earns(self.by_severity))
        object.__setattr__(self, "longest_us", micros(self.escalation.longest))
        object.__setattr__(self, "forgotten_after_us", micros(self.escalation.forgotten_after))

    def actions(self, score: NDArray[np.float64], severity: NDArray[np.int64]) -> NDArray[np.int64]:
        """The action of each event, `(n_events,)`.

        Args:
            score: In [0, 1]; NaN earns nothing.
            severity: The highest severity among the rules that fired, 0 for none.
        """
        least, earned = self._score_steps
        # NaN sorts last, behind every threshold.
        reached = np.where(np.isnan(score), 0, np.searchsorted(least, score, side="right"))
        worst = np.clip(severity, 0, len(self._severity_earns) - 1)
        return np.maximum(earned[reached], self._severity_earns[worst])

    def does_hold(self, action: int) -> bool:
        return self.holds is not None and action >= self.holds

    def held_us(self, action: int, strikes: int) -> int:
        """For how long an action holds that is earned for the n-th time, in microseconds."""
        first = self.ttl_us[action]
        # Past 64 doublings any time to live has reached its limit.
        times = int(self.escalation.factor ** min(strikes - 1, 64))
        return min(first * times, max(first, self.longest_us))

    def _broken(self) -> str | None:
        """The first rule that this policy breaks, in words."""
        if Action.BLOCK not in self.ttl:
            return "a block must have a time to live"
        if self.holds is Action.ALLOW:
            return "an allow cannot hold"
        for action, least in self.by_score.items():
            if not 0 <= least <= 1:
                return f"the score for {action.name.lower()} must be in [0, 1], got {least}"
        for action, length in self.ttl.items():
            if length <= timedelta():
                return f"the time to live of {action.name.lower()} must be > 0, got {length}"
        for action in Action:
            if self.does_hold(action) and action not in self.ttl:
                return f"{action.name.lower()} holds, so it must have a time to live"
        return self._broken_escalation()

    def _broken_escalation(self) -> str | None:
        growth = self.escalation
        if growth.factor < 1:
            return f"the escalation's factor must be >= 1, got {growth.factor}"
        if growth.forgotten_after < timedelta():
            return f"strikes must be forgotten after >= 0, got {growth.forgotten_after}"
        kept = max(growth.longest, *self.ttl.values()) + growth.forgotten_after
        if kept > REMEMBERED:
            return f"longest hold and forgotten_after together must be <= {REMEMBERED}, got {kept}"
        return None


def score_steps(by_score: Mapping[Action, float]) -> tuple[Floats, Ints]:
    """Thresholds, rising, and what a score earns below the first and from each on."""
    steps = sorted((least, int(action)) for action, least in by_score.items())
    earned = np.maximum.accumulate([0, *(action for _, action in steps)])
    return np.array([least for least, _ in steps], np.float64), earned.astype(np.int64)


def severity_earns(by_severity: Mapping[Severity, Action]) -> Ints:
    """What a severity earns, or the worst of those below it; by severity, from 0 on."""
    earned = [by_severity.get(level, Action.ALLOW) for level in Severity]
    return np.maximum.accumulate([0, *earned]).astype(np.int64)


def micros(length: timedelta) -> int:
    return length // timedelta(microseconds=1)
