"""What every outcome and state must be: the log folded from nothing, record by record.

Plain Python over the records as they stand in the log. It shares no code with the worker, the
stages or the kernel; of ours it uses the hash of event ids and the declared domain.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from models.contracts import Action
from producer.records import Record
from tests.simulation import domain
from tests.simulation.lineage import Node

FIELDS = {"occurred_at": str, "entity": str, "size": int, "key": str, "note": str, "event_id": str}
MINUTE_US, LONGEST_US = 60_000_000, 600_000_000
SKEW_US = domain.SKEW // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Past:
    """An event as it was folded."""

    at: int
    size: int
    key: str
    gap: int | None


@dataclass(slots=True)
class Entity:
    """All that was folded of one entity."""

    past: list[Past] = field(default_factory=list)
    newest: int = 0
    touched_ms: int = 0


@dataclass(frozen=True, slots=True)
class Expected:
    """The outcome of a line; what depends on the model's version is left open.

    Args:
        features: Of a decided event.
    """

    outcome: str
    event_id: str
    entity: str = ""
    occurred_at: str = ""
    features: Mapping[str, float] = field(default_factory=dict)

    def scored(self, version: str) -> dict[str, Any]:
        """The line of `decisions.sim`, but for reasons and errors."""
        line: dict[str, Any] = {"event_id": self.event_id, "outcome": self.outcome}
        if self.entity:
            line |= {"entity": self.entity, "occurred_at": self.occurred_at}
        if self.outcome == "duplicate":
            line["duplicate_of"] = self.event_id
        if self.outcome == "decided":
            line |= self._judged(version)
        return line

    def _judged(self, version: str) -> dict[str, Any]:
        score = domain.score_of(version, dict(self.features))
        bursts = self.features["e_events_count_1m"] >= domain.BURST
        judged: dict[str, Any] = {"score": score, "model": version}
        if bursts:
            judged["rules"] = ["burst"]
        if bursts or score >= 0.7:
            judged["features"] = dict(self.features)
        return judged


class DetectionFold:
    """A partition of `events.sim`, folded."""

    def __init__(self, remembered: int) -> None:
        self.totals = Counter[str]()
        self.seen = 0
        self.ids: deque[str] = deque(maxlen=remembered)
        self.entities: dict[str, Entity] = {}

    def fold(self, node: Node) -> list[Expected]:
        record = node.record
        assert record is not None
        lines = [line for line in record.value.split(b"\n") if line.strip()]
        found = [self._line(record, number, line) for number, line in enumerate(lines)]
        self.totals.update(each.outcome for each in found)
        return found

    def _line(self, record: Record, number: int, line: bytes) -> Expected:
        place = f"{record.partition}-{record.offset}-{number}"
        event = parsed(line)
        if event is None or event["note"] in (domain.BREAKS_DECODING, domain.BREAKS_FOLDING):
            return Expected("dead", place)
        event_id = event["event_id"] or place
        at = micros(event["occurred_at"])
        if at is None or not 0 <= event["size"] <= domain.LARGEST:
            return Expected("dead", event_id)
        if at > record.at_ms * 1000 + SKEW_US:
            return Expected("dead", event_id)
        named = (event_id, event["entity"], event["occurred_at"])
        if event_id in self.ids:
            return Expected("duplicate", *named)
        self.ids.append(event_id)
        self.seen += 1
        entity = self.entities.setdefault(event["entity"], Entity())
        if entity.past and at < entity.newest - LONGEST_US:
            return Expected("late", *named)
        return Expected("decided", *named, self._folded(entity, at, event, record.at_ms))

    def _folded(
        self, entity: Entity, at: int, event: dict[str, Any], arrived_ms: int
    ) -> dict[str, float]:
        silence = at - entity.newest
        is_next = bool(entity.past) and 0 <= silence <= LONGEST_US
        itself = Past(at, event["size"], event["key"], silence // 1000 if is_next else None)
        entity.past.append(itself)
        entity.newest = max(entity.newest, at) if len(entity.past) > 1 else at
        entity.touched_ms = arrived_ms
        return features_of([past for past in entity.past if at - LONGEST_US < past.at <= at], at)


def features_of(window: list[Past], at: int) -> dict[str, float]:
    """Those of the event at the end of a ten-minute window, the unknown ones left out."""
    minute = [past for past in window if past.at > at - MINUTE_US]
    gaps = [past.gap for past in window if past.gap is not None]
    found = {
        "e_events_count_1m": float(len(minute)),
        "e_events_count_10m": float(len(window)),
        "e_odd_count_10m": float(sum(past.size % 2 for past in window)),
        "e_size_sum_10m": float(sum(past.size for past in window)),
        "e_size_mean_1m": sum(past.size for past in minute) / len(minute),
        "e_key_distinct_10m": float(len({past.key for past in window})),
    }
    if gaps:
        found["e_gap_mean_10m"] = sum(gaps) / len(gaps)
    return found


@dataclass(frozen=True, slots=True)
class Standing:
    """What an entity has earned."""

    action: int
    until: int
    strikes: int
    at: int


@dataclass(frozen=True, slots=True)
class Answers:
    """What the decision stage makes of a record.

    Args:
        lines: None for a repeat, which is not answered.
    """

    lines: list[dict[str, Any]] | None


class DecisionFold:
    """A partition of `decisions.sim`, folded."""

    def __init__(self) -> None:
        self.totals = Counter[str]()
        self.upstream: tuple[str, int] | None = None
        self.standings: dict[str, Standing] = {}

    def fold(self, node: Node) -> Answers:
        record = node.record
        assert record is not None
        if self._is_repeat(record):
            return Answers(None)
        lines = [line for line in record.value.split(b"\n") if line.strip()]
        answers = [
            self._line(f"{record.partition}-{record.offset}-{number}", line, node.version)
            for number, line in enumerate(lines)
        ]
        self.totals.update(answer["outcome"] for answer in answers)
        return Answers(answers)

    def _is_repeat(self, record: Record) -> bool:
        headers = dict(record.headers)
        if "source-offset" not in headers:
            return False
        epoch, offset = headers["source-epoch"].decode(), int(headers["source-offset"])
        if self.upstream and self.upstream[0] == epoch and offset <= self.upstream[1]:
            return True
        self.upstream = (epoch, offset)
        return False

    def _line(self, place: str, line: bytes, version: str) -> dict[str, Any]:
        try:
            event = json.loads(line)
        except ValueError:
            return {"event_id": place, "outcome": "dead"}
        answer = {key: value for key, value in event.items() if key not in ("reasons", "error")}
        if answer["outcome"] == "decided":
            answer |= self._action(event, version)
        return answer

    def _action(self, event: dict[str, Any], version: str) -> dict[str, Any]:
        at = micros(event["occurred_at"])
        assert at is not None
        policy = domain.POLICIES[version]
        own = own_action(event, policy.by_score[Action.CHALLENGE])
        length = {Action.CHALLENGE: 45, Action.BLOCK: 120}
        before = self.standings.get(event["entity"])
        if own >= Action.CHALLENGE:
            before = self.standings[event["entity"]] = risen(before, own, at, length[Action(own)])
        action, left_us = own, length.get(Action(own), 0) * 1_000_000
        if before is not None and at < before.until:
            action, left_us = before.action, before.until - at
        found: dict[str, Any] = {"action": Action(action).name.lower(), "policy": version}
        if left_us:
            found["ttl_s"] = -(-left_us // 1_000_000)
        return found


def own_action(event: dict[str, Any], challenge: float) -> int:
    if "burst" in event.get("rules", ()):
        return Action.BLOCK
    if event["score"] >= challenge:
        return Action.CHALLENGE
    return Action.ALERT if event["score"] >= 0.7 else Action.ALLOW


def risen(before: Standing | None, action: int, at: int, first_s: int) -> Standing:
    """The standing after a finding: extended, replaced, or one strike more."""
    strikes = 1 if before is None else before.strikes + (at >= before.until)
    week = 7 * 86_400
    until = at + min(first_s * 2 ** (strikes - 1), week) * 1_000_000
    if before is None or at >= before.until:
        return Standing(action, until, strikes, at)
    newest = max(at, before.at)
    if action < before.action or (action == before.action and until <= before.until):
        return Standing(before.action, before.until, strikes, newest)
    return Standing(action, until, strikes, newest)


def parsed(line: bytes) -> dict[str, Any] | None:
    """An event with all its fields; None where the line is none."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    if not isinstance(found, dict) or not {"occurred_at", "entity"} <= found.keys():
        return None
    if any(name not in FIELDS or type(value) is not FIELDS[name] for name, value in found.items()):
        return None
    return {"size": 0, "key": "", "note": "", "event_id": "", **found}


@lru_cache(maxsize=65_536)
def micros(text: str) -> int | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return round((at - datetime.fromtimestamp(0, at.tzinfo)) / timedelta(microseconds=1))


def foretell(node: Node, fold: DetectionFold | DecisionFold) -> DetectionFold | DecisionFold:
    """Folds a path from its first record on, and notes at each node what is expected there."""
    for each in node.path():
        found = fold.fold(each)
        if each.expected is None:
            each.expected = found
    return fold
