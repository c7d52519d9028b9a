"""Why an event was answered as it was: everything that is known about one decision."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np

from feature_store.columns import Columns, TextColumn
from feature_store.definitions import WindowFeature
from feature_store.text import parse_times
from models.artifacts import Champion
from models.contracts import Action, ActionTaken, Reason
from models.contributions import contributions
from models.judging import with_text
from models.pack import DomainPack
from models.policy import Policy
from models.reasons import words
from producer.instants import rfc3339
from stream_agents.explained import (
    ActionName,
    EventFound,
    ExplainedFeature,
    ExplainedScore,
    Explanation,
    FiredRule,
    GivenAnswer,
    Origin,
)

LISTS = ("on_allow_list", "on_deny_list")
IN_FORCE = "_in_force"
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Judges:
    """What judges a pack's events now; the answer to explain may be of others.

    Args:
        champion: None where it cannot be read.
    """

    pack: DomainPack
    champion: Champion | None
    policy: Policy

    def of_model(self, version: str | None) -> Champion | None:
        """The model of a version, if it is the one that is loaded."""
        loaded = self.champion
        return loaded if loaded is not None and loaded.version == version else None

    def of_policy(self, version: str | None) -> Policy | None:
        """The policy of a version, whatever the lists were beside it."""
        known = (version or "").partition("+lists.")[0] == self.policy.version
        return self.policy if known else None


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, and what is to be had of its event.

    Args:
        taken: The answer, with the features if they are known.
        line: The event as it stands in the log; None where it is not to be had.
        Others: as in `GivenAnswer`, `EventFound` and `Explanation`.
    """

    taken: ActionTaken
    origin: Origin
    place: str | None = None
    line: bytes | None = None
    missing: str | None = None
    derived_from: int | None = None
    notes: tuple[str, ...] = ()


def explain(answered: Answered, judges: Judges) -> Explanation:
    """All that is known about an answer.

    What judges now but did not judge then is left out, and `notes` says so.
    """
    taken, pack = answered.taken, judges.pack
    rules = tuple(fired(pack, name, taken.reasons) for name in taken.rules)
    lists = tuple(filter(is_list, taken.reasons))
    told = {rule.name for rule in rules} | {reason.code for reason in lists}
    return Explanation(
        taken.event_id,
        pack.name,
        taken.entity,
        taken.occurred_at,
        given(answered),
        event_of(answered, judges),
        explained_score(answered, judges),
        rules,
        earned(judges.of_policy(taken.policy), None, worst(pack, taken.rules)),
        lists,
        tuple(reason for reason in taken.reasons if reason.code not in told),
        features_of(pack, judges.of_model(taken.model), taken),
        answered.derived_from,
        (*answered.notes, *differences(taken, judges), *doubts(answered, judges)),
    )


def event_of(answered: Answered, judges: Judges) -> EventFound:
    fields = readable(answered.line)
    return EventFound(answered.place, fields, answered.missing, traits_of(answered, judges))


def traits_of(answered: Answered, judges: Judges) -> dict[str, float]:
    """The event's own numbers; without the text model where that was another."""
    taken, pack = answered.taken, judges.pack
    if taken.outcome != "decided" or answered.line is None:
        return {}
    columns, champion = columns_of(pack, answered.line), judges.of_model(taken.model)
    if champion is not None:
        columns = with_text(pack, champion, columns)
    known = {name: float(getattr(columns, name)[0]) for name in pack.traits if name in columns}
    return {name: value for name, value in known.items() if math.isfinite(value)}


def given(answered: Answered) -> GivenAnswer:
    taken = answered.taken
    return GivenAnswer(
        answered.origin,
        taken.outcome,
        taken.action,
        taken.ttl_s,
        taken.model,
        taken.policy,
        taken.duplicate_of,
        taken.error,
        taken.degraded,
    )


def explained_score(answered: Answered, judges: Judges) -> ExplainedScore:
    taken, policy = answered.taken, judges.of_policy(answered.taken.policy)
    seen = seen_by_model(answered, judges)
    parts = contributions(*seen) if seen else ()
    if policy is None or taken.score is None:
        return ExplainedScore(taken.score, contributions=parts)
    thresholds = {action.name.lower(): least for action, least in policy.by_score.items()}
    return ExplainedScore(taken.score, thresholds, earned(policy, taken.score, 0), parts)


def seen_by_model(answered: Answered, judges: Judges) -> tuple[Champion, Columns, Columns] | None:
    """The model that judged, with the features and the event; None where any is not to be had."""
    taken, champion = answered.taken, judges.of_model(answered.taken.model)
    if champion is None or taken.features is None or answered.line is None:
        return None
    return champion, row_of(judges.pack, taken.features), columns_of(judges.pack, answered.line)


def doubts(answered: Answered, judges: Judges) -> Iterator[str]:
    """That the very model makes another score of the same features: our code has changed."""
    if seen := seen_by_model(answered, judges):
        champion, feature, event = seen
        [again] = np.round(champion.score(feature, event), 6).tolist()
        if again != answered.taken.score:
            yield f"the score comes out as {again} now"


def differences(taken: ActionTaken, judges: Judges) -> Iterator[str]:
    """What did not judge then, and what is left out for it."""
    if taken.outcome != "decided":
        return
    if judges.of_model(taken.model) is None:
        loaded = judges.champion.version if judges.champion else "none"
        yield (
            f"judged by model {taken.model}, but {loaded} is loaded:"
            " usual values and contributions are left out"
        )
    if judges.of_policy(taken.policy) is None:
        yield (
            f"decided by policy {taken.policy}, but {judges.policy.version} is known:"
            " thresholds are left out"
        )
    undeclared = sorted(set(taken.features or ()) - set(judges.pack.features.names))
    if undeclared:
        yield f"not declared any more, and left out: {', '.join(undeclared)}"
    if taken.features is None:
        yield "the answer carries no features"


def fired(pack: DomainPack, name: str, reasons: Sequence[Reason]) -> FiredRule:
    text = next((reason.text for reason in reasons if reason.code == name), "")
    for rule in pack.rules:
        if rule.name == name:
            return FiredRule(name, text or rule.text, rule.severity.name.lower(), rule.reference)
    return FiredRule(name, text, None, "")


def worst(pack: DomainPack, names: Sequence[str]) -> int:
    """The highest severity of some rules, 0 for none."""
    return max((int(rule.severity) for rule in pack.rules if rule.name in names), default=0)


def earned(policy: Policy | None, score: float | None, severity: int) -> ActionName | None:
    """The action for a score and rules; None where the policy is not known."""
    if policy is None:
        return None
    [action] = policy.actions(np.array([score], np.float64), np.array([severity]))
    return Action(action).name.lower()  # type: ignore[return-value]  # the literals are its names


def is_list(reason: Reason) -> bool:
    return reason.code in LISTS or reason.code.endswith(IN_FORCE)


def features_of(
    pack: DomainPack, champion: Champion | None, taken: ActionTaken
) -> tuple[ExplainedFeature, ...]:
    if taken.features is None:
        return ()
    at = int(parse_times(TextColumn.of([taken.occurred_at]))[0])
    return tuple(
        explained_feature(pack, feature, taken.features.get(feature.name), champion, at)
        for feature in pack.features.features
    )


def explained_feature(
    pack: DomainPack,
    feature: WindowFeature,
    value: float | None,
    champion: Champion | None,
    at: int,
) -> ExplainedFeature:
    usual = champion.usual(feature.name) if champion else None
    return ExplainedFeature(
        feature.name,
        words(pack.features, feature),
        value,
        usual.median if usual else None,
        usual.p99 if usual else None,
        rfc3339(at - feature.over // MICROSECOND),
        rfc3339(at),
    )


def row_of(pack: DomainPack, values: Mapping[str, float]) -> Columns:
    names = pack.features.names
    return Columns.of_matrix(names, np.array([[values.get(name, np.nan) for name in names]]))


def columns_of(pack: DomainPack, line: bytes) -> Columns:
    return pack.columns([msgspec.json.decode(line, type=pack.event)])


def readable(line: bytes | None) -> dict[str, Any] | None:
    """An event's fields; what is no JSON object stands under `unreadable`."""
    if line is None:
        return None
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {"unreadable": line.decode(errors="replace")}
