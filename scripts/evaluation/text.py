"""Attacks among values: the text model, cross-validated, beside the rules and a plain rival."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.metadata import version

import msgspec
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline

from feature_store.columns import Floats, Mask
from feature_store.text import marks
from models.packs.access.patterns import PATHS
from models.text_artifacts import TextChampion
from models.text_champion import OPERATED_AT
from models.text_model import value_scores
from models.text_training import fit
from scripts.evaluation.labelled import Labelled

GROUPS = ("traversal", "sql", "command", "expression", "scripting")
"""Of the patterns: those that name an attack in a value."""
LIBRARIES = ("numba", "numpy", "scikit-learn", "scipy")
SURE = 0.8
"""The least score that counts as found: as if a false alarm were as dear as four misses."""
REPEATS = 7

Judge = Callable[[Labelled, Labelled], Mask]
"""What was found among the second values by what was fitted on the first."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Mean and standard deviation over the seeds; a value counts once a seed.

    Args:
        false_positives: One number a seed.
        by_kind: Recall, its mean over the seeds.
    """

    precision: tuple[float, float]
    recall: tuple[float, float]
    f1: tuple[float, float]
    false_positives: list[int]
    by_kind: dict[str, float]


class Texts(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it.

    Args:
        values: How many of each kind.
        text_model: Fitted, its penalty chosen, on each fold's training part.
        never_found: The attacks that the text model missed at every seed.
        rivals: The pattern rules, which learn nothing, and a logistic regression.
        unseen_kind: Recall of a kind of attack by a text model that was fitted on the others.
        shipped: The shipped text model as it is; it was fitted on simulated values alone.
        test: Fitted on all values, judged once on the test file's.
        us_a_value: The text model's time, hashing included, and the values' mean length.
    """

    data_sha256: str
    values: dict[str, int]
    folds: int
    seeds: int
    text_model: Figures
    never_found: list[str]
    rivals: dict[str, Figures]
    unseen_kind: dict[str, float]
    shipped_version: str
    shipped: Figures
    test: Figures | None
    test_sha256: str
    us_a_value: float
    bytes_a_value: float
    versions: dict[str, str]


def judged(
    data: Labelled, test: Labelled | None, champion: TextChampion, folds: int, seeds: int
) -> Texts:
    """Cross-validates over the values, each seed with folds of its own, stratified by kind."""
    found = _cross_validated(by_text_model, data, folds, seeds)
    rivals = {
        "rules": [by_rules(data, data)],
        "logistic_regression": _cross_validated(by_logistic_regression, data, folds, seeds),
    }
    return Texts(
        data_sha256=data.sha256,
        values=dict(Counter(data.kinds.tolist())),
        folds=folds,
        seeds=seeds,
        text_model=figures_of(data, found),
        never_found=_texts(data, data.attack & ~np.any(found, axis=0)),
        rivals={name: figures_of(data, masks) for name, masks in rivals.items()},
        unseen_kind=unseen_kinds(data),
        shipped_version=champion.version,
        shipped=figures_of(data, [value_scores(data.values, champion.model) >= OPERATED_AT]),
        test=figures_of(test, [by_text_model(data, test)]) if test else None,
        test_sha256=test.sha256 if test else "",
        us_a_value=round(microseconds(data, champion), 3),
        bytes_a_value=round(len(data.values.buffer) / len(data), 1),
        versions={name: version(name) for name in LIBRARIES},
    )


def by_text_model(fitted: Labelled, others: Labelled) -> Mask:
    found: Mask = value_scores(others.values, fit(fitted.values, fitted.attack).model) >= SURE
    return found


def by_rules(_: Labelled, others: Labelled) -> Mask:
    """The pack's patterns, on requests that carry the values."""
    held = PATHS.held(marks(others.requests, PATHS))
    found: Mask = np.any([held[group] for group in GROUPS], axis=0)
    return found


def by_logistic_regression(fitted: Labelled, others: Labelled) -> Mask:
    """The usual recipe: character n-grams by tf-idf, one weight each."""
    words = TfidfVectorizer(analyzer="char", ngram_range=(1, 3))
    made = make_pipeline(words, LogisticRegression(C=100, max_iter=1_000))
    made.fit(_texts(fitted), fitted.attack)
    found: Mask = made.predict(_texts(others))
    return found


def unseen_kinds(data: Labelled) -> dict[str, float]:
    """Each kind's recall by a model that has met the other kinds alone."""
    recall = {}
    for kind in np.unique(data.kinds[data.attack]):
        unseen = data.kinds == kind
        fitted = data.taken(np.flatnonzero(~unseen))
        found = by_text_model(fitted, data.taken(np.flatnonzero(unseen)))
        recall[str(kind)] = round(float(found.mean()), 4)
    return recall


def figures_of(data: Labelled, found: Sequence[Mask]) -> Figures:
    """Of one mask over all values for each seed."""
    attack = data.attack
    rows = []
    for mask in found:
        hits, wrong = int((mask & attack).sum()), int((mask & ~attack).sum())
        missed = int((~mask & attack).sum())
        rows.append(
            (
                hits / max(hits + wrong, 1),
                hits / (hits + missed),
                2 * hits / (2 * hits + wrong + missed),
            )
        )
    precision, recall, f1 = (_spread(column) for column in np.array(rows).T)
    return Figures(
        precision=precision,
        recall=recall,
        f1=f1,
        false_positives=[int((mask & ~attack).sum()) for mask in found],
        by_kind={
            str(kind): round(float(np.mean([mask[data.kinds == kind].mean() for mask in found])), 4)
            for kind in np.unique(data.kinds[attack])
        },
    )


def microseconds(data: Labelled, champion: TextChampion) -> float:
    """The best of some runs over all values, a value."""
    took = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        value_scores(data.values, champion.model)
        took.append(time.perf_counter() - start)
    return 1e6 * min(took) / len(data)


def _cross_validated(judge: Judge, data: Labelled, folds: int, seeds: int) -> list[Mask]:
    """What was found, each value by what had not seen it; one mask a seed."""
    masks = []
    for seed in range(seeds):
        cut = StratifiedKFold(folds, shuffle=True, random_state=seed)
        found = np.zeros(len(data), np.bool_)
        for fitted, left_out in cut.split(data.kinds, data.kinds):
            found[left_out] = judge(data.taken(fitted), data.taken(left_out))
        masks.append(found)
    return masks


def _texts(data: Labelled, rows: Mask | None = None) -> list[str]:
    stored, offsets = data.values.buffer.tobytes(), data.values.offsets
    chosen = range(len(data)) if rows is None else np.flatnonzero(rows)
    return [stored[offsets[i] : offsets[i + 1]].decode(errors="replace") for i in chosen]


def _spread(figures: Floats) -> tuple[float, float]:
    return round(float(figures.mean()), 5), round(float(figures.std()), 5)
