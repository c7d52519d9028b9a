"""Each peer finds the row that is far from all others, and knows nothing of later rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from feature_store.columns import Floats
from models.candidates import PEERS, Candidate, shrunk
from models.detectors import EmpiricalTails, LocalDensity

BY_NAME = pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)


def usual(n: int, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).normal(10.0, 1.0, (n, 4))


def fitted(peer: Candidate, rows: Floats) -> Pipeline:
    return peer.make(7).fit(rows)


@BY_NAME
def test_the_row_far_from_all_others_is_the_least_usual(peer: Candidate) -> None:
    rows = usual(300, seed=2)
    rows[123] = 100.0

    assert fitted(peer, usual(1_000)).score_samples(rows).argmin() == 123


@BY_NAME
def test_unknown_values_are_judged_as_the_usual(peer: Candidate) -> None:
    rows = usual(300, seed=2)
    rows[7] = np.nan
    scores = fitted(peer, usual(1_000)).score_samples(rows)

    assert np.isfinite(scores).all()
    assert scores[7] > np.quantile(scores, 0.25)


@BY_NAME
def test_a_seed_is_a_detector(peer: Candidate) -> None:
    rows = usual(300, seed=2)
    one, same = (fitted(peer, usual(1_000)).score_samples(rows) for _ in range(2))

    np.testing.assert_array_equal(one, same)


@BY_NAME
def test_equal_training_rows_are_no_fault(peer: Candidate) -> None:
    rows = np.repeat(usual(30), 20, axis=0)

    assert np.isfinite(fitted(peer, rows).score_samples(usual(10))).all()


@pytest.mark.parametrize(
    ("value", "tail"), [(9.0, 0.2), (10.0, 0.1), (0.0, 0.1), (1.0, 0.2), (5.0, 0.6)]
)
def test_a_tail_is_the_share_of_the_rows_in_it_the_row_itself_among_them(
    value: float, tail: float
) -> None:
    detector = EmpiricalTails().fit(np.arange(1.0, 10.0)[:, None])

    assert np.exp(detector.score_samples(np.array([[value]])))[0] == pytest.approx(tail)


def test_features_add_up_and_the_longer_tail_of_each_counts() -> None:
    column = np.array([1.0, 1, 1, 1, 9])
    detector = EmpiricalTails().fit(np.column_stack([column, -column]))

    usual = detector.score_samples(np.array([[9.0, -9.0]]))
    assert np.exp(usual)[0] == pytest.approx((2 / 6) ** 2)


def test_a_row_that_training_saw_often_does_not_make_its_neighbours_outliers() -> None:
    often = np.full((500, 4), 10.0)
    detector = LocalDensity(7).fit(np.vstack([usual(500), often]))

    beside, far = detector.score_samples(np.array([[10.01] * 4, [100.0] * 4]))
    assert beside > far


def test_shrinking_keeps_signs_and_zero() -> None:
    np.testing.assert_allclose(shrunk(np.array([-(np.e - 1), 0, np.e - 1])), [-1, 0, 1])
