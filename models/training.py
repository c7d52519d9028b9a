"""Makes a pack's champion: `python -m models.training access`; same seed, same bytes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score

from feature_store.columns import Columns, Floats, Ints, Mask
from feature_store.offline import features_of
from models.artifacts import (
    CHAMPIONS,
    FORMAT,
    Calibration,
    Champion,
    Manifest,
    Statistics,
    Training,
    model_rows,
    save,
    sealed,
)
from models.catalog import pack_named
from models.contracts import Action
from models.forest import FusedForest, to_onnx
from models.pack import DomainPack
from models.rules import fire

SEED = 7
EVENTS = 200_000
TRAINED_SHARE = 0.6
TREES = 100
SAMPLES_A_TREE = 256

LIBRARIES = ("numpy", "onnx", "onnxruntime", "scikit-learn")
PROBABILITIES = np.unique(
    np.concatenate([1 - step * np.arange(1, 101) for step in (1e-2, 1e-3, 1e-4, 1e-5)])
)
"""Where the calibration has its points: ever denser towards 1."""


def train(pack: DomainPack, seed: int = SEED, events: int = EVENTS) -> tuple[bytes, Manifest]:
    """Simulate, fit on the earlier events and measure on the later ones; no label is fitted."""
    simulated, labels, digest = _simulated(pack, seed, events)
    event = pack.columns(simulated)
    feature = Columns.of_matrix(pack.features.names, features_of(pack.features, event))
    cut = int(TRAINED_SHARE * events)
    statistics = _statistics(pack, event, feature, cut)
    training = Training(seed, events, cut, digest, {name: version(name) for name in LIBRARIES})
    manifest = Manifest(
        FORMAT,
        pack.name,
        "",
        "",
        pack.model_features,
        Calibration((), ()),
        statistics,
        {},
        training,
    )
    rows = model_rows(manifest, feature, event)
    model = to_onnx(_fit(rows[:cut], seed), len(pack.model_features))
    manifest = msgspec.structs.replace(
        manifest,
        model_sha256=sha256(model).hexdigest(),
        calibration=_calibration(FusedForest(model).score(rows[:cut])),
    )
    score = Champion(manifest, FusedForest(model)).score(feature, event)
    action = _actions(pack, event, feature, score)
    clients = np.array([pack.entity(each) for each in simulated])
    metrics = {
        **score_metrics(score[cut:], labels[cut:]),
        **entity_metrics(action[cut:], labels[cut:], clients[cut:]),
    }
    rounded = {name: round(value, 6) for name, value in metrics.items()}
    return model, sealed(model, msgspec.structs.replace(manifest, metrics=rounded))


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
    _, index = np.unique(entities, return_inverse=True)
    worst = np.zeros(index.max() + 1, np.int64)
    np.maximum.at(worst, index, action)
    attacks = np.zeros(len(worst), np.bool_)
    attacks[index[labels]] = True
    return {
        "attackers_blocked": float((worst[attacks] == Action.BLOCK).mean()),
        "attackers_found": float((worst[attacks] > Action.ALLOW).mean()),
        "ordinary_blocked": float((worst[~attacks] == Action.BLOCK).mean()),
        "ordinary_touched": float((worst[~attacks] > Action.ALLOW).mean()),
    }


def _simulated(pack: DomainPack, seed: int, events: int) -> tuple[list[msgspec.Struct], Mask, str]:
    pairs = list(pack.simulate(seed, events))
    simulated = [event for event, _ in pairs]
    digest = sha256(msgspec.json.Encoder().encode_lines(simulated)).hexdigest()
    return simulated, np.array([label for _, label in pairs], np.bool_), digest


def _statistics(
    pack: DomainPack, event: Columns, feature: Columns, cut: int
) -> dict[str, Statistics]:
    own = [name for name in pack.model_features if name not in pack.features.names]
    columns = {name: getattr(feature, name) for name in pack.features.names}
    columns |= {name: getattr(event, name) for name in own}
    return {name: statistics_of(column[:cut]) for name, column in columns.items()}


def statistics_of(column: Floats) -> Statistics:
    """Order statistics of a column's known values; zeros where there are none."""
    known = np.sort(column[np.isfinite(column)])
    if not len(known):
        return Statistics(0.0, 0.0, 0.0, 0.0)
    places = [int(share * (len(known) - 1)) for share in (0.5, 0.95, 0.99, 1.0)]
    return Statistics(*(float(known[place]) for place in places))


def _fit(rows: NDArray[np.float32], seed: int) -> IsolationForest:
    forest = IsolationForest(n_estimators=TREES, max_samples=SAMPLES_A_TREE, random_state=seed)
    return forest.fit(rows)


def _calibration(raw: Floats) -> Calibration:
    """The share of the raw scores that lie below each; one at 1, which no raw score reaches."""
    ordered = np.sort(raw)
    points = np.unique(ordered[(PROBABILITIES * len(ordered)).astype(np.int64)])
    below = np.searchsorted(ordered, points) / len(ordered)
    return Calibration((0.0, *points.tolist(), 1.0), (0.0, *below.tolist(), 1.0))


def _actions(pack: DomainPack, event: Columns, feature: Columns, score: Floats) -> Ints:
    levels = np.array([int(rule.severity) for rule in pack.rules])
    severity = (fire(pack.rules, event, feature) * levels).max(axis=1, initial=0)
    return pack.policy.actions(score, severity.astype(np.int64))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m models.training", description=__doc__)
    parser.add_argument("pack")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--out", type=Path, help="default: the folder of the shipped champion")
    options = parser.parse_args(arguments)
    pack = pack_named(options.pack)
    model, manifest = train(pack, options.seed, options.events)
    folder = options.out or CHAMPIONS / pack.name
    save(folder, model, manifest)
    sys.stdout.write(f"{manifest.version} in {folder}\n")
    for name, value in manifest.metrics.items():
        sys.stdout.write(f"{name:24} {value:.4f}\n")


if __name__ == "__main__":
    main()
