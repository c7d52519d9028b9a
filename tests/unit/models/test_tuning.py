"""Learning from labels: how many it takes, what it brings, and who serves it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from models.artifacts import Manifest, load, model_rows, save
from models.dataset import Dataset
from models.errors import InvalidSource
from models.fused import FusedForest
from models.judging import DECIMALS
from models.packs.access import PACK
from models.training import fitted, score_metrics
from models.tuning import LEAST_SHARE, fit_head, tuned
from tests.unit.models.streams import EVENTS, SEED, labelled, small


@cache
def forest() -> tuple[bytes, Manifest]:
    return fitted(PACK, small(), SEED)


def head(data: Dataset) -> tuple[bytes, Manifest]:
    return tuned(PACK, data, *forest(), SEED)


def given(labels: int, window: slice | None = None) -> Dataset:
    """The small stream with so many labels, the first of all or of a window."""
    data = small()
    known = np.full(EVENTS, np.nan)
    places = np.arange(EVENTS)[window or slice(None)][:labels]
    known[places] = data.truth[places]
    return replace(data, given=known)


def test_labels_of_a_tenth_of_the_events_make_the_later_ones_better_ordered() -> None:
    _, manifest = head(labelled(LEAST_SHARE))

    assert manifest.training.labelled == small().windows.train.stop * LEAST_SHARE
    assert manifest.metrics["pr_auc"] > manifest.metrics["untuned_pr_auc"]


def test_the_figures_before_are_those_of_the_forest_alone() -> None:
    _, manifest = head(labelled(LEAST_SHARE))

    for name, value in forest()[1].metrics.items():
        assert manifest.metrics[f"untuned_{name}"] == value


def test_a_label_too_few_is_refused_with_the_share() -> None:
    least = int(LEAST_SHARE * EVENTS)

    with pytest.raises(
        InvalidSource, match=r"at least 10% of the events must have one, got 10.0% \(299 of 3,000\)"
    ):
        head(given(least - 1))


def test_labels_of_one_kind_are_refused_with_their_number() -> None:
    data = labelled(0.5)
    ordinary = replace(data, given=np.where(data.given == 1, np.nan, data.given))

    with pytest.raises(InvalidSource, match="first 60 % .* got 0 attacks among"):
        head(ordinary)


def test_labels_that_end_with_the_training_window_are_refused() -> None:
    with pytest.raises(InvalidSource, match="last 40 % .* got 0 attacks among 0 labels"):
        head(given(EVENTS, small().windows.train))


def test_no_label_after_the_training_window_is_learned() -> None:
    data = labelled(0.5)
    later = data.windows.later
    other = data.given.copy()
    other[later] = 1 - other[later]

    assert head(replace(data, given=other))[0] == head(data)[0]


def test_a_tuned_artifact_is_loaded_and_scores_as_any_champion(tmp_path: Path) -> None:
    data = labelled(0.5)
    save(tmp_path, *head(data))
    champion = load(tmp_path, PACK)
    score = np.round(champion.score(data.feature, data.event), DECIMALS)
    later = data.windows.later
    figures = score_metrics(score[later], data.truth[later] == 1)

    assert ((score >= 0) & (score <= 1)).all()
    assert figures["pr_auc"] == pytest.approx(champion.manifest.metrics["pr_auc"], abs=1e-6)


def test_of_two_events_alike_to_the_labels_the_stranger_is_the_more_suspicious() -> None:
    data = labelled(0.5)
    rows = model_rows(forest()[1], data.feature, data.event)
    fused = FusedForest(forest()[0])
    learned = fit_head(rows, fused, data.truth == 1, SEED)
    seen = np.column_stack([rows, fused.score(rows).astype(np.float32)])
    stranger = seen + np.eye(seen.shape[1], dtype=np.float32)[-1] * 0.1

    assert (learned.decision_function(stranger) >= learned.decision_function(seen)).all()


def test_equal_labels_and_seeds_give_equal_bytes() -> None:
    assert head(labelled(0.5)) == head(labelled(0.5))
