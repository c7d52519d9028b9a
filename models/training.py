"""Fits a pack's model: a dataset in, an artifact out; same data and seed, same bytes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from importlib.metadata import version

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score

from feature_store.columns import Floats, Ints, Mask
from models.artifacts import (
    FORMAT,
    Champion,
    Manifest,
    Statistics,
    model_rows,
    opened,
    sealed,
)
from models.contracts import Action
from models.dataset import SIMULATOR, Dataset, simulated
from models.forest import to_onnx
from models.fused import FusedForest
from models.judging import judge
from models.manifests import Calibration, Training
from models.pack import DomainPack
from models.text_artifacts import TextChampion, text_champion_of

SEED = 7
EVENTS = 200_000
TREES = 64
SAMPLES_A_TREE = 256

LIBRARIES = ("numba", "numpy", "onnx", "scikit-learn")
PROBABILITIES = np.unique(
    np.concatenate([1 - step * np.arange(1, 101) for step in (1e-2, 1e-3, 1e-4, 1e-5)])
)
"""Where the calibration has its points: ever denser towards 1."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def train(pack: DomainPack, seed: int = SEED, events: int = EVENTS) -> tuple[bytes, Manifest]:
    """The champion that a pack comes with: simulated, and no label is fitted."""
    return fitted(pack, simulated(pack, seed, events), seed, shipped_text(pack))


def shipped_text(pack: DomainPack) -> TextChampion | None:
    """The text model that a pack comes with; None for a pack that reads no text."""
    return text_champion_of(pack.name) if pack.text else None


def fitted(
    pack: DomainPack, data: Dataset, seed: int, text: TextChampion | None = None
) -> tuple[bytes, Manifest]:
    """Fit on the earlier events and measure on the later ones; no label is fitted.

    Args:
        text: The text model that judges beside it.
    """
    manifest = _blank(pack, data, seed, text.version if text else "")
    rows = model_rows(manifest, data.feature, data.event)
    model = to_onnx(fit_forest(rows[data.windows.train], seed), len(pack.model_features))
    return model, finished(pack, data, model, manifest, text)


def finished(
    pack: DomainPack, data: Dataset, model: bytes, manifest: Manifest, text: TextChampion | None
) -> Manifest:
    """The manifest with the model's hash, calibration, metrics and version."""
    rows = model_rows(manifest, data.feature, data.event)
    manifest = msgspec.structs.replace(
        manifest,
        model_sha256=sha256(model).hexdigest(),
        calibration=_calibration(FusedForest(model).score(rows[data.windows.train])),
    )
    score, action = judged(pack, opened(model, manifest, text), data)
    metrics = {**manifest.metrics, **metrics_of(data, score, action, data.windows.later)}
    rounded = {name: round(value, 6) for name, value in metrics.items()}
    return sealed(model, msgspec.structs.replace(manifest, metrics=rounded))


def fit_forest(rows: NDArray[np.float32], seed: int, trees: int = TREES) -> IsolationForest:
    sample = min(SAMPLES_A_TREE, len(rows))
    return IsolationForest(n_estimators=trees, max_samples=sample, random_state=seed).fit(rows)


def judged(pack: DomainPack, champion: Champion, data: Dataset) -> tuple[Floats, Ints]:
    """Each event's score, and its action by score, rules and policy."""
    score, fired = judge(pack, champion, data.feature, data.event)
    levels = np.array([int(rule.severity) for rule in pack.rules])
    severity = (fired * levels).max(axis=1, initial=0)
    return score, pack.policy.actions(score, severity.astype(np.int64))


def metrics_of(data: Dataset, score: Floats, action: Ints, window: slice) -> dict[str, float]:
    """What a window's events of known truth say; without both kinds, only who was touched."""
    known = np.flatnonzero(~np.isnan(data.truth[window])) + window.start
    labels = data.truth[known] == 1
    if labels.all() or not labels.any():
        return _shares("entities", "touched", _worst(action[window], data.entity[window])[1])
    return {
        **score_metrics(score[known], labels),
        **entity_metrics(action[known], labels, data.entity[known]),
    }


def score_metrics(score: Floats, labels: Mask) -> dict[str, float]:
    """The score alone, event by event."""
    capacity = max(1, len(score) // 100)
    first = np.argsort(-score, kind="stable")[:capacity]
    return {
        "base_rate": float(labels.mean()),
        "pr_auc": float(average_precision_score(labels, score)),
        "precision_at_1_percent": float(labels[first].mean()),
        "roc_auc": float(roc_auc_score(labels, score)),
    }


def entity_metrics(action: Ints, labels: Mask, entities: NDArray[np.str_]) -> dict[str, float]:
    """Rules, score and policy together: shares of the attackers and of the ordinary entities."""
    index, worst = _worst(action, entities)
    attacks = np.zeros(len(worst), np.bool_)
    attacks[index[labels]] = True
    return {
        **_shares("attackers", "found", worst[attacks]),
        **_shares("ordinary", "touched", worst[~attacks]),
    }


def _blank(pack: DomainPack, data: Dataset, seed: int, text: str) -> Manifest:
    """All of a manifest that is known before anything is fitted."""
    return Manifest(
        FORMAT,
        pack.name,
        "",
        "",
        pack.model_features,
        Calibration((), ()),
        _statistics(pack, data),
        {},
        _training(data, seed),
        text,
    )


def _training(data: Dataset, seed: int) -> Training:
    cut = data.windows.train.stop
    libraries = {name: version(name) for name in LIBRARIES}
    training = Training(seed, len(data), cut, data.sha256, libraries)
    if data.source == SIMULATOR:
        return training
    first, last = (_rfc3339(int(data.event.at[i])) for i in (0, cut - 1))
    return msgspec.structs.replace(
        training, source=data.source, trained_from=first, trained_until=last
    )


def _rfc3339(at: int) -> str:
    return (EPOCH + timedelta(microseconds=at)).isoformat().replace("+00:00", "Z")


def _statistics(pack: DomainPack, data: Dataset) -> dict[str, Statistics]:
    own = [name for name in pack.model_features if name not in pack.features.names]
    columns = {name: getattr(data.feature, name) for name in pack.features.names}
    columns |= {name: getattr(data.event, name) for name in own}
    return {name: statistics_of(column[data.windows.train]) for name, column in columns.items()}


def statistics_of(column: Floats) -> Statistics:
    """Order statistics of a column's known values; zeros where there are none."""
    known = np.sort(column[np.isfinite(column)])
    if not len(known):
        return Statistics(0.0, 0.0, 0.0, 0.0)
    places = [int(share * (len(known) - 1)) for share in (0.5, 0.95, 0.99, 1.0)]
    return Statistics(*(float(known[place]) for place in places))


def _shares(who: str, met: str, worst: Ints) -> dict[str, float]:
    """How many of some entities were blocked, and met any action; nothing where there are none."""
    if not len(worst):
        return {}
    return {
        f"{who}_blocked": float((worst == Action.BLOCK).mean()),
        f"{who}_{met}": float((worst > Action.ALLOW).mean()),
    }


def _worst(action: Ints, entities: NDArray[np.str_]) -> tuple[Ints, Ints]:
    """Each event's entity by number, and the severest action that each entity met."""
    _, index = np.unique(entities, return_inverse=True)
    worst = np.zeros(index.max() + 1, np.int64)
    np.maximum.at(worst, index, action)
    return index, worst


def _calibration(raw: Floats) -> Calibration:
    """The share of the raw scores that lie below each; one at 1, which no raw score reaches."""
    ordered = np.sort(raw)
    points = np.unique(ordered[(PROBABILITIES * len(ordered)).astype(np.int64)])
    below = np.searchsorted(ordered, points) / len(ordered)
    return Calibration((0.0, *points.tolist(), 1.0), (0.0, *below.tolist(), 1.0))
