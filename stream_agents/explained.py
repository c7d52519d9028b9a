"""What an explanation of a decision holds; the API and the command line give out these types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from models.contracts import Contribution, Reason

ActionName = Literal["allow", "alert", "challenge", "block"]
Origin = Literal["kept", "actions", "now"]


class FiredRule(msgspec.Struct, frozen=True):
    """A rule that fired.

    Args:
        text: What it found, with the value that it quotes.
        severity: low, medium, high or critical; null for a rule that there is no more.
        reference: Where the idea is explained, such as a CWE or an ATT&CK technique.
    """

    name: str
    text: str
    severity: str | None
    reference: str


class ExplainedFeature(msgspec.Struct, frozen=True):
    """What a feature was when the event was judged.

    Args:
        text: The feature in words.
        value: Null where it was unknown, which is not zero.
        median, p99: Of the model's training window: half and 99 of 100 events had at most so much.
        after, until: The window's bounds in event time, RFC 3339: after the one, until the other
            and including it.
    """

    name: str
    text: str
    value: float | None
    median: float | None
    p99: float | None
    after: str
    until: str


class GivenAnswer(msgspec.Struct, frozen=True):
    """What was answered.

    Args:
        origin: kept: as it was kept when it was given; actions: as it stands on `actions.<pack>`;
            now: no answer was found, so this is what it would be.
        outcome: decided, duplicate, late or dead.
        action: allow, alert, challenge or block; null unless decided.
        ttl_s: For how long the action holds, in seconds.
        model, policy: The versions that judged.
        error: Why the event could not be judged.
        degraded: Why less was known of it than should be; null as a rule.
    """

    origin: Origin
    outcome: Literal["decided", "duplicate", "late", "dead"]
    action: ActionName | None
    ttl_s: int | None
    model: str | None
    policy: str | None
    duplicate_of: str | None
    error: str | None
    degraded: str | None = None


class EventFound(msgspec.Struct, frozen=True):
    """The event itself, from its topic.

    Args:
        place: Its partition, offset and line; null where they are not known.
        fields: As it was sent; null where it is not to be had.
        missing: Why it is not to be had.
        traits: What it looks like in numbers, by column; for an event that was decided.
    """

    place: str | None
    fields: dict[str, Any] | None
    missing: str | None
    traits: dict[str, float] = {}


class ExplainedScore(msgspec.Struct, frozen=True):
    """The score against the policy's thresholds, and what it is made of.

    Args:
        value: In [0, 1], higher is more suspicious.
        thresholds: Action to the least score that earns it.
        earns: What the score earns by itself.
        contributions: What raises it most: how far it falls when that one feature is as usual. Each
            is found for itself, so they need not add up.
    """

    value: float | None
    thresholds: Mapping[str, float] | None = None
    earns: ActionName | None = None
    contributions: tuple[Contribution, ...] = ()


class Explanation(msgspec.Struct, frozen=True):
    """Why an event was answered as it was.

    Args:
        rules: The rules that fired, in the pack's order.
        rules_earn: The action that they earn by themselves.
        lists: Allow and deny lists that matched, and an action that was in force already.
        reasons: What else spoke against the event.
        features: All that the pack declares, in its order.
        derived_from: Where the features are not those of the answer but computed again from the
            log: of how many of the entity's events; else null.
        notes: What is not as it was when the event was judged, and what cannot be told.
    """

    event_id: str
    pack: str
    entity: str
    occurred_at: str
    answer: GivenAnswer
    event: EventFound
    score: ExplainedScore
    rules: tuple[FiredRule, ...] = ()
    rules_earn: ActionName | None = None
    lists: tuple[Reason, ...] = ()
    reasons: tuple[Reason, ...] = ()
    features: tuple[ExplainedFeature, ...] = ()
    derived_from: int | None = None
    notes: tuple[str, ...] = ()
