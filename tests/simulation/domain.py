"""The domain that is simulated: real stages, real states, and a score that is cheap to foretell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import cache
from typing import Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from feature_store.columns import Columns, Floats, Mask, TextColumn
from feature_store.definitions import (
    GAP,
    MINUTE,
    Aggregate,
    Distinct,
    FeatureSet,
    Filter,
    Value,
    WindowFeature,
)
from feature_store.text import INVALID_TIME, parse_times
from models.artifacts import Champion, Manifest, Statistics
from models.contracts import Action, Severity
from models.fused import FusedForest
from models.manifests import Calibration, Training
from models.pack import DomainPack
from models.policy import Policy
from models.regime import Regime
from models.rules import Rule
from stream_agents.answers import ResultStore
from stream_agents.engine import Decision, Detection

NAME = "sim"
TEN_MINUTES = 10 * MINUTE
SKEW = timedelta(minutes=5)
KEEP = 5 * TEN_MINUTES
"""Time to live of an entity: the longest window and what stands for the topic's retention.

No event comes so late that it would look back at an entity that is forgotten by then.
"""
REPEATED_FOR_S = 1000.0
"""For so long a client may send an event again."""
BREAKS_DECODING, BREAKS_FOLDING = "bang", "boom"
"""Notes of events that raise in our code."""
BURST = 5
LARGEST = 1000
MODELS = {"sim-a": (7, 3, 1), "sim-b": (11, 5, 2)}
"""Version to the weights of the score."""


class SimEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A line of `events.sim`."""

    occurred_at: str
    entity: str
    size: int = 0
    key: str = ""
    note: str = ""
    event_id: str = ""


def columns(events: Sequence[SimEvent]) -> Columns:
    if any(event.note == BREAKS_DECODING for event in events):
        raise ArithmeticError("an event breaks the decoding")
    found = {
        "event_id": TextColumn.of([event.event_id for event in events]),
        "at": parse_times(TextColumn.of([event.occurred_at for event in events])),
        "size": np.array([event.size for event in events], np.int64),
        "key": TextColumn.of([event.key for event in events]),
        "breaks": np.array([event.note == BREAKS_FOLDING for event in events], np.bool_),
    }
    return Columns(found, len(events))


def valid(event: Columns) -> Mask:
    mask: Mask = (event.at != INVALID_TIME) & (event.size >= 0) & (event.size <= LARGEST)
    return mask


def check(event: SimEvent) -> str | None:
    if not 0 <= event.size <= LARGEST:
        return f"size must be 0 to {LARGEST}, got {event.size}"
    at = parse_times(TextColumn.of([event.occurred_at]))[0]
    return None if at != INVALID_TIME else f"occurred_at is no time: {event.occurred_at}"


def bursts(event: Columns, feature: Columns) -> Mask:
    if event.breaks.any():
        raise ArithmeticError("an event breaks a rule")
    mask: Mask = feature.e_events_count_1m >= BURST
    return mask


def nothing(seed: int, events: int) -> Iterator[tuple[SimEvent, int]]:
    """The simulation makes its traffic itself."""
    return iter(())


FEATURES = FeatureSet(
    entity="e",
    key="entity",
    # More than any entity has events in a run: what is expected of features is exact then.
    capacity=512,
    distinct_capacity=512,
    values=(Value("size", lambda event: event.size),),
    filters=(Filter("odd", lambda event: event.size % 2 == 1),),
    distincts=(Distinct("key", lambda event: event.key),),
    features=(
        WindowFeature("e_events_count_1m", Aggregate.COUNT, MINUTE),
        WindowFeature("e_events_count_10m", Aggregate.COUNT, TEN_MINUTES),
        WindowFeature("e_odd_count_10m", Aggregate.COUNT, TEN_MINUTES, where="odd"),
        WindowFeature("e_size_sum_10m", Aggregate.SUM, TEN_MINUTES, value="size"),
        WindowFeature("e_size_mean_1m", Aggregate.MEAN, MINUTE, value="size"),
        WindowFeature("e_key_distinct_10m", Aggregate.DISTINCT, TEN_MINUTES, value="key"),
        WindowFeature("e_gap_mean_10m", Aggregate.MEAN, TEN_MINUTES, value=GAP),
    ),
)
SCORED = ("e_events_count_1m", "e_events_count_10m", "e_size_sum_10m")
POLICIES = {
    version: Policy(
        version,
        {Action.ALERT: 0.7, Action.CHALLENGE: challenge},
        {Severity.HIGH: Action.BLOCK},
        {Action.CHALLENGE: timedelta(seconds=45), Action.BLOCK: timedelta(minutes=2)},
        holds=Action.CHALLENGE,
    )
    for version, challenge in (("policy-a", 0.9), ("policy-b", 0.8))
}
PACK = DomainPack(
    name=NAME,
    event=SimEvent,
    entity=lambda event: event.entity,
    columns=columns,
    valid=valid,
    check=check,
    features=FEATURES,
    rules=(Rule("burst", "many at once", Severity.HIGH, bursts, feature="e_events_count_1m"),),
    policy=POLICIES["policy-a"],
    model_features=SCORED,
    simulate=nothing,
    max_skew=SKEW,
)


class Weighing:
    """In the place of a forest: a remainder of weighted features, in hundredths."""

    def __init__(self, weights: Sequence[int]) -> None:
        self._weights = np.array(weights, np.float64)

    def score(self, rows: NDArray[np.float32]) -> Floats:
        hundredths: Floats = np.mod(rows.astype(np.float64) @ self._weights, 101) / 100
        return hundredths


def champion(version: str) -> Champion:
    manifest = Manifest(
        format=1,
        pack=NAME,
        version=version,
        model_sha256="",
        features=SCORED,
        calibration=Calibration((0.0, 1.0), (0.0, 1.0)),
        statistics={name: Statistics(1.0, 50.0, 100.0, 100.0) for name in SCORED},
        metrics={},
        training=Training(0, 0, 0, "", {}),
    )
    return Champion(manifest, cast(FusedForest, Weighing(MODELS[version])))


@cache
def detection(version: str) -> Detection:
    """The real stage, with the model of a version; it keeps nothing between chunks."""
    return Detection(PACK, champion(version))


def decision(version: str, results: ResultStore) -> Decision:
    """The real stage, with the policy of a version."""
    regime = Regime(POLICIES[version])
    return Decision(PACK, results, lambda: regime)


def score_of(version: str, features: dict[str, Any]) -> float:
    """What the model of a version makes of features, without numpy."""
    weighted = sum(w * int(features[n]) for w, n in zip(MODELS[version], SCORED, strict=True))
    return weighted % 101 / 100
