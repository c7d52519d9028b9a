"""The shipped champion comes out of its training again, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from feature_store.columns import Columns
from models.artifacts import MANIFEST, MODEL, Champion, Statistics, save
from models.dataset import Dataset
from models.manifests import CHAMPIONS
from models.packs.access import PACK
from models.training import (
    entity_metrics,
    fitted,
    judged,
    metrics_of,
    score_metrics,
    statistics_of,
    train,
)
from tests.unit.models.streams import EVENTS, SEED, small


def test_the_shipped_champion_is_reproduced_to_the_last_byte(
    champion: Champion, tmp_path: Path
) -> None:
    made = champion.manifest.training
    others = {
        name: version(name) for name in made.libraries if version(name) != made.libraries[name]
    }
    if others:
        pytest.skip(f"trained with {made.libraries}; installed are {others}")
    save(tmp_path, *train(PACK, made.seed, made.events))

    for file in (MODEL, MANIFEST):
        assert (tmp_path / file).read_bytes() == (CHAMPIONS / "access" / file).read_bytes()


def test_the_shipped_champion_is_good_on_the_window_after_its_training(champion: Champion) -> None:
    metrics = champion.manifest.metrics

    assert metrics["attackers_found"] >= 0.95
    assert metrics["attackers_blocked"] >= 0.85
    assert metrics["ordinary_blocked"] <= 0.003
    assert metrics["ordinary_touched"] <= 0.02
    assert metrics["precision_at_1_percent"] >= 0.95


def test_statistics_are_of_known_values_only() -> None:
    column = np.array([np.nan, 3.0, 1.0, 2.0, np.nan])

    assert statistics_of(column) == Statistics(median=2.0, p95=2.0, p99=2.0, max=3.0)
    assert statistics_of(column[:1]) == Statistics(0.0, 0.0, 0.0, 0.0)


def test_a_perfect_score_has_perfect_metrics() -> None:
    labels = np.arange(200) >= 190

    metrics = score_metrics(np.linspace(0, 1, 200), labels)

    assert metrics == {
        "base_rate": 0.05,
        "pr_auc": 1.0,
        "precision_at_1_percent": 1.0,
        "roc_auc": 1.0,
    }


def test_an_entity_counts_once_by_its_worst_action() -> None:
    entities = np.array(["a", "a", "b", "c", "c", "d"])
    labels = np.array([True, False, True, False, False, False])
    action = np.array([0, 3, 1, 0, 2, 0])

    assert entity_metrics(action, labels, entities) == {
        "attackers_blocked": 0.5,
        "attackers_found": 1.0,
        "ordinary_blocked": 0.0,
        "ordinary_touched": 0.5,
    }


def with_another_future(data: Dataset) -> Dataset:
    """The same training window; after it, everything is as unlike it as can be."""
    later = data.windows.later
    rows = np.column_stack([getattr(data.feature, name) for name in data.feature])
    rows[later] = 1e6 * (1 + np.arange(rows[later].size).reshape(rows[later].shape))
    truth = data.truth.copy()
    truth[later] = 1 - truth[later]
    return replace(data, feature=Columns.of_matrix(list(data.feature), rows), truth=truth)


def test_nothing_is_fitted_on_what_comes_after_the_training_window() -> None:
    model, manifest = fitted(PACK, small(), SEED)
    other_model, other = fitted(PACK, with_another_future(small()), SEED)

    assert other_model == model
    assert other.calibration == manifest.calibration
    assert other.statistics == manifest.statistics
    assert other.metrics != manifest.metrics


def test_no_label_is_fitted() -> None:
    unlabelled = replace(small(), truth=np.full(EVENTS, np.nan))

    assert fitted(PACK, unlabelled, SEED)[0] == fitted(PACK, small(), SEED)[0]


def test_an_artifact_says_what_it_was_made_from() -> None:
    made = fitted(PACK, replace(small(), source="site.log"), SEED)[1].training

    assert (made.seed, made.events, made.trained_on) == (SEED, EVENTS, 1_800)
    assert made.data_sha256 == small().sha256
    assert made.source == "site.log"
    assert "2025-03-03T00:00" < made.trained_from < made.trained_until < "2025-03-04"


def test_without_known_truth_the_metrics_are_who_was_touched(champion: Champion) -> None:
    data = replace(small(), truth=np.full(EVENTS, np.nan))
    figures = metrics_of(data, *judged(PACK, champion, data), data.windows.test)

    assert set(figures) == {"entities_blocked", "entities_touched"}


def test_metrics_are_of_the_events_whose_truth_is_known(champion: Champion) -> None:
    data = small()
    window = data.windows.validation
    half = data.truth.copy()
    half[window.start : window.stop : 2] = np.nan
    score, action = judged(PACK, champion, data)
    figures = metrics_of(replace(data, truth=half), score, action, window)

    known = np.arange(window.start + 1, window.stop, 2)
    assert figures["pr_auc"] == score_metrics(score[known], data.truth[known] == 1)["pr_auc"]
