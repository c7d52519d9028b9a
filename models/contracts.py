"""What flows between the stages: outcomes on the wire, scores, actions, reasons."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Literal

import msgspec


class Outcome(StrEnum):
    """How an event ended; every event has exactly one."""

    DECIDED = "decided"
    DUPLICATE = "duplicate"
    LATE = "late"
    DEAD = "dead"


class Action(IntEnum):
    """What to do about an event, mildest first."""

    ALLOW = 0
    ALERT = 1
    CHALLENGE = 2
    BLOCK = 3


class Severity(IntEnum):
    """How bad a rule's finding is; the policy maps it to an action."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


class Reason(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Why an event is not simply allowed.

    Args:
        code: A rule's or a feature's name.
        text: The same in words: `requests in 1 min: 340, usual 4`.
        value: What was seen; absent for rules over text.
        usual: The median of the training window.
    """

    code: str
    text: str
    value: float | None = None
    usual: float | None = None


class Contribution(msgspec.Struct, frozen=True):
    """What one feature does to a score.

    Args:
        feature: As the model names it.
        value: What the model saw.
        usual: The median of the training window, put in its place.
        score: By how much the score falls then; near 1 a score hardly moves.
        raw: By how much the model's own score falls, before it is calibrated.
    """

    feature: str
    value: float
    usual: float
    score: float
    raw: float


class ScoredEvent(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A line of `decisions.<pack>`: an event's outcome, awaiting its action.

    Args:
        event_id: The event's id, assigned before it was published.
        outcome: decided, duplicate, late or dead.
        entity: The first entity key; empty for a dead event that could not be read.
        occurred_at: Event time, RFC 3339; empty for a dead event that could not be read.
        score: In [0, 1], higher is more suspicious; only with `decided`.
        rules: Names of the rules that fired, in the pack's order.
        reasons: For events that may need an action.
        features: Name to value, for the same events; an unknown feature is left out.
        model: Version of the artifact that judged.
        duplicate_of: The id of the first, with `duplicate`.
        error: Why the event can never be judged, with `dead` and `late`.
        degraded: Why less was known than should be; absent as a rule.
    """

    event_id: str
    outcome: Literal["decided", "duplicate", "late", "dead"]
    entity: str = ""
    occurred_at: str = ""
    score: float | None = None
    rules: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    features: dict[str, float] | None = None
    model: str | None = None
    duplicate_of: str | None = None
    error: str | None = None
    degraded: str | None = None


class ActionTaken(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A line of `actions.<pack>`: the final answer about an event.

    Args:
        action: allow, alert, challenge or block; absent unless the event was decided.
        ttl_s: For how long the action holds, in seconds.
        policy: Version of the policy that chose the action.
        Others: as in `ScoredEvent`.
    """

    event_id: str
    outcome: Literal["decided", "duplicate", "late", "dead"]
    action: Literal["allow", "alert", "challenge", "block"] | None = None
    entity: str = ""
    occurred_at: str = ""
    score: float | None = None
    ttl_s: int | None = None
    rules: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    features: dict[str, float] | None = None
    model: str | None = None
    policy: str | None = None
    duplicate_of: str | None = None
    error: str | None = None
    degraded: str | None = None
