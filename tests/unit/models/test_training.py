"""The shipped champion comes out of its training again, bit for bit."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from models.artifacts import CHAMPIONS, MANIFEST, MODEL, Champion, Statistics, save
from models.packs.access import PACK
from models.training import entity_metrics, score_metrics, statistics_of, train


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
