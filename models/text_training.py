"""Fits a text model: labelled values in, weights and their calibration out; same data, same bytes.

A text is judged by its loudest stretch, and which stretch that is depends on the model. So it is
fitted on whole texts first and then, a few times, on the stretches that its last state heard: the
attacks' newest ones, and all that ordinary texts ever had.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse  # type: ignore[import-untyped]  # ships no types
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC

from feature_store.columns import Floats, Ints, Mask, TextColumn
from models.text_model import (
    LONGEST,
    SLOTS,
    VALUE,
    Slots,
    TextModel,
    Weights,
    loudest,
    slots_of,
)

Points = tuple[tuple[float, ...], tuple[float, ...]]
Matrix = Any  # scipy's sparse matrix, which has no type

ROUNDS = 3
PENALTIES = (0.3, 1.0, 3.0)
"""The support vector machine's C to choose from, where there is no data to spare."""
PASSES = 100
"""Over the data; the machine is stopped then, near enough to its optimum."""
LARGEST = 32_767
"""What the heaviest weight becomes."""
FOLDS = 3
SEED = 7

PROBABILITIES = np.array([0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999])
"""Where the calibration has its points."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A model, and how it did on what it had not seen.

    Args:
        penalty: The C chosen.
        unheard: The score of each value by a model of the same kind that was fitted on others.
    """

    model: TextModel
    penalty: float
    unheard: Floats


def fit(
    values: TextColumn, attack: Mask, penalties: Sequence[float] = PENALTIES, seed: int = SEED
) -> Fit:
    """Fit and calibrate on the same values, by cross-validation; the penalty is chosen by it too.

    Args:
        attack: The truth, `(n_values,)`; both kinds at least `FOLDS` times.
    """
    tried = [_tried(values, attack, penalty, seed) for penalty in penalties]
    _, penalty, points, unheard = min(tried, key=lambda each: each[0])
    weights = fit_weights(values, attack, penalty, seed)
    return Fit(TextModel(weights, *points), penalty, unheard)


def fit_weights(
    values: TextColumn, attack: Mask, penalty: float = PENALTIES[0], seed: int = SEED
) -> Weights:
    """Weights under which attacks are loud and ordinary values are not, `(SLOTS,)`.

    References:
        Felzenszwalb et al., Object Detection with Discriminatively Trained Part-Based Models
        (2010), doi 10.1109/TPAMI.2009.167, section 4: fitting where a part must be found first.
    """
    separating = partial(_separating, penalty=penalty, seed=seed)
    slots, ends = slots_of(values)
    start, end = ends[:-1], ends[1:]
    ordinary = [_counts(slots, start[~attack], end[~attack])]
    weights = separating(_counts(slots, start[attack], end[attack]), ordinary)
    for _ in range(ROUNDS):
        heard = loudest(values, weights, VALUE)
        start, end = ends[:-1] + heard.start, ends[:-1] + heard.end
        ordinary.append(_counts(slots, start[~attack], end[~attack]))
        weights = separating(_counts(slots, start[attack], end[attack]), ordinary)
    return weights


def taken(column: TextColumn, rows: Ints) -> TextColumn:
    """Some of a column's texts."""
    buffer, offsets = column.buffer.tobytes(), column.offsets
    texts = [buffer[offsets[row] : offsets[row + 1]] for row in rows]
    ends = np.cumsum([0, *map(len, texts)])
    return TextColumn(np.frombuffer(b"".join(texts), np.uint8), ends)


def _counts(slots: Slots, start: Ints, end: Ints) -> Matrix:
    """How often each slot is hit in each stretch, over the root of the stretch's length."""
    length = end - start
    row = np.repeat(np.arange(len(start)), length)
    step = np.arange(len(row)) + (start - np.cumsum(length) + length)[row]
    hits = np.repeat(1 / np.sqrt(length), length * LONGEST)
    pointers = np.concatenate([[0], np.cumsum(length * LONGEST)])
    counts = sparse.csr_matrix((hits, slots[step].ravel(), pointers), (len(start), SLOTS))
    counts.sum_duplicates()
    return counts


def _separating(attacks: Matrix, ordinary: Sequence[Matrix], penalty: float, seed: int) -> Weights:
    rows = sparse.vstack([attacks, *ordinary], format="csr")
    is_attack = np.arange(rows.shape[0]) < attacks.shape[0]
    machine = LinearSVC(C=penalty, loss="hinge", random_state=seed, max_iter=PASSES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        weights: Floats = machine.fit(rows, is_attack).coef_[0]
    rounded: Weights = np.rint(weights * (LARGEST / np.abs(weights).max())).astype(np.int16)
    return rounded


def _tried(
    values: TextColumn, attack: Mask, penalty: float, seed: int
) -> tuple[float, float, Points, Floats]:
    """A penalty's loss on values not fitted on, itself, its calibration, and those scores."""
    loudness = np.empty(len(values))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for fitted, left_out in folds.split(attack, attack):
        weights = fit_weights(taken(values, fitted), attack[fitted], penalty, seed)
        loudness[left_out] = loudest(taken(values, left_out), weights, VALUE).loudness
    points = calibration(loudness, attack)
    score: Floats = np.interp(loudness, *points)
    return float(log_loss(attack, score)), penalty, points, score


def calibration(loudness: Floats, attack: Mask) -> Points:
    """Loudness to the probability of an attack where these values are typical, as points.

    References:
        Platt, Probabilistic Outputs for Support Vector Machines (1999).
    """
    unit = float(loudness.std())
    curve = LogisticRegression(C=1e3).fit(loudness[:, None] / unit, attack)
    slope, intercept = float(curve.coef_[0, 0]) / unit, float(curve.intercept_[0])
    points = (np.log(PROBABILITIES / (1 - PROBABILITIES)) - intercept) / slope
    span = points[-1] - points[0]
    # Rounded, so that the last bit of a fit on another machine does not show.
    loud = tuple(float(round(each)) for each in (points[0] - span, *points, points[-1] + span))
    return loud, (0.0, *PROBABILITIES.tolist(), 1.0)
