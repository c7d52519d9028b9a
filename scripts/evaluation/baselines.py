"""What plain detectors make of the same haystack, on features from the same kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from sklearn.ensemble import IsolationForest

from feature_store.columns import Floats
from feature_store.offline import features_of
from models.half_space import HalfSpaceTrees
from models.pack import DomainPack
from models.packs.access.events import AccessEvent
from models.training import statistics_of
from scripts.evaluation.figures import Spread, spread_of
from scripts.evaluation.haystack import Haystack
from scripts.evaluation.logs import Traffic

TWELVE = (
    "client_requests_count_10m",
    "client_errors_count_10m",
    "client_errors_share_10m",
    "client_faults_count_10m",
    "client_denials_count_10m",
    "client_logins_count_10m",
    "client_pages_share_10m",
    "client_paths_distinct_10m",
    "client_missing_distinct_10m",
    "client_bytes_sum_10m",
    "client_gap_mean_10m",
    "client_gap_std_10m",
)
FLAGGED_SHARE = 0.005
"""Of the ordinary clients; each detector's threshold is where that many are flagged."""


class Baseline(msgspec.Struct, frozen=True):
    """A detector's catch at the threshold that flags its share of the ordinary clients."""

    attackers: int
    attackers_found: int
    clients_flagged: int
    requests_to_alert: Spread


@dataclass(frozen=True, slots=True)
class Catch:
    """One haystack's: for each attacker the number of the request that gave it away, or None."""

    reached: Sequence[int | None]
    clients_flagged: int


class Baselines:
    """Fitted, without labels, on a background; judges haystacks made of it.

    Args:
        background: Attackers are laid over it later; it holds those of its own.
    """

    def __init__(self, pack: DomainPack, background: Traffic, seed: int) -> None:
        self._pack = pack
        self._where = [pack.features.names.index(name) for name in TWELVE]
        rows = self._known(background.events)
        self._usual = np.array([statistics_of(column).median for column in rows.T])
        rows = self._filled(rows)
        self._range = np.maximum(np.log1p(rows).max(axis=0), 1e-9)
        self._forest = IsolationForest(random_state=seed).fit(rows)
        self._trees = HalfSpaceTrees(len(TWELVE), seed)

    def judge(self, haystack: Haystack, hostile: frozenset[str]) -> dict[str, Catch]:
        rows = self._filled(self._known(haystack.events))
        suspicion = {
            "isolation_forest": -self._forest.score_samples(rows),
            "half_space_trees": -self._trees.masses(np.log1p(rows) / self._range),
        }
        return {name: _caught(haystack, hostile, score) for name, score in suspicion.items()}

    def _known(self, events: Sequence[AccessEvent]) -> Floats:
        return features_of(self._pack.features, self._pack.columns(events))[:, self._where]

    def _filled(self, rows: Floats) -> Floats:
        return np.where(np.isfinite(rows), rows, self._usual)


def pooled(catches: Sequence[Mapping[str, Catch]]) -> dict[str, Baseline]:
    """Several haystacks together."""
    names = catches[0] if catches else ()
    return {name: _pooled([catch[name] for catch in catches]) for name in names}


def _pooled(catches: Sequence[Catch]) -> Baseline:
    reached = [first for catch in catches for first in catch.reached]
    found = sum(first is not None for first in reached)
    flagged = max(catch.clients_flagged for catch in catches)
    return Baseline(len(reached), found, flagged, spread_of(reached))


def _caught(haystack: Haystack, hostile: frozenset[str], suspicion: Floats) -> Catch:
    scores: dict[str, list[float]] = {}
    for event, score in zip(haystack.events, suspicion.tolist(), strict=True):
        scores.setdefault(event.client_ip, []).append(score)
    known = haystack.attackers.keys() | hostile
    ordinary = [max(own) for client, own in scores.items() if client not in known]
    threshold = sorted(ordinary)[-1 - int(FLAGGED_SHARE * len(ordinary))]
    reached = [_first_above(scores[client], threshold) for client in haystack.attackers]
    return Catch(reached, sum(peak > threshold for peak in ordinary))


def _first_above(scores: Sequence[float], threshold: float) -> int | None:
    """The number of the first request that scores higher, from 1."""
    return next((number for number, score in enumerate(scores, 1) if score > threshold), None)
