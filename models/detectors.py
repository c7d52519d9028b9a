"""Detectors without labels, each as scikit-learn has them: `fit`, and `score_samples` that is low
for what is unlike the others.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import LocalOutlierFactor

from feature_store.columns import Floats
from models.half_space import WINDOW, HalfSpaceTrees

NEIGHBOURS = 20
SAMPLE = 10_000
"""Rows that the slow ones are fitted on, drawn from all."""


class EmpiricalTails(OutlierMixin, BaseEstimator):  # type: ignore[misc]  # sklearn ships no types
    """ECOD: how far out in the tails of the training rows a row lies, summed over features.

    No parameter is to be chosen. A row's own mass counts, so that no probability is zero.

    References:
        Li et al., ECOD: Unsupervised Outlier Detection Using Empirical Cumulative Distribution
        Functions (2022), doi 10.1109/TKDE.2022.3159580.
    """

    def fit(self, rows: Floats, y: Any = None) -> EmpiricalTails:
        """Keeps each column's order and on which side it has its longer tail."""
        self.columns_ = np.sort(np.asarray(rows, np.float64), axis=0)
        away = self.columns_ - self.columns_.mean(axis=0)
        self.is_right_skewed_ = (away**3).mean(axis=0) >= 0
        return self

    def score_samples(self, rows: Floats) -> Floats:
        """How usual each row is, `(n,)`: low is anomalous, as with scikit-learn's detectors."""
        left = np.zeros(len(rows))
        right = np.zeros(len(rows))
        skewed = np.zeros(len(rows))
        n = len(self.columns_) + 1
        for i, column in enumerate(self.columns_.T):
            below = np.log((np.searchsorted(column, rows[:, i], side="right") + 1) / n)
            above = np.log((n - np.searchsorted(column, rows[:, i], side="left")) / n)
            left += below
            right += above
            skewed += above if self.is_right_skewed_[i] else below
        usual: Floats = np.minimum(np.minimum(left, right), skewed)
        return usual


class LocalDensity(OutlierMixin, BaseEstimator):  # type: ignore[misc]  # sklearn ships no types
    """Local outlier factor over a sample of the distinct rows: equal rows have no density.

    References:
        Breunig et al., LOF: Identifying Density-Based Local Outliers (2000), doi
        10.1145/335191.335388.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, rows: Floats, y: Any = None) -> LocalDensity:
        distinct = np.unique(rows, axis=0)
        kept = drawn(distinct, self.seed)
        neighbours = min(NEIGHBOURS, len(kept) - 1)
        self.factor_ = LocalOutlierFactor(n_neighbors=neighbours, novelty=True).fit(kept)
        return self

    def score_samples(self, rows: Floats) -> Floats:
        scores: Floats = self.factor_.score_samples(rows)
        return scores


class Mixture(GaussianMixture):  # type: ignore[misc]  # sklearn ships no types
    """A mixture of Gaussians over a sample: a density even where its fit has not settled."""

    def fit(self, rows: Floats, y: Any = None) -> Mixture:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            super().fit(drawn(rows, self.random_state))
        return self


class StreamingTrees(OutlierMixin, BaseEstimator):  # type: ignore[misc]  # sklearn ships no types
    """Half-space trees that have seen the training rows, and learn from those that they score."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, rows: Floats, y: Any = None) -> StreamingTrees:
        self.last_ = rows[-WINDOW:]
        self.trees_ = HalfSpaceTrees(rows.shape[1], self.seed, len(self.last_))
        return self

    def score_samples(self, rows: Floats) -> Floats:
        masses = self.trees_.masses(np.vstack([self.last_, rows]))
        return np.log1p(masses[len(self.last_) :])


def drawn(rows: Floats, seed: int) -> Floats:
    """At most `SAMPLE` of the rows, without order."""
    return rows[np.random.default_rng(seed).permutation(len(rows))[:SAMPLE]]
