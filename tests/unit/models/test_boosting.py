"""A forest and its head in one graph, against scikit-learn's own head."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest

from feature_store.columns import Floats
from models.boosting import LEARNED, with_head
from models.forest import to_onnx
from models.fused import FusedForest

Rows = NDArray[np.float32]

SHARES = np.random.default_rng(5).random(200, np.float32)
"""Few enough that a head's thresholds are the middles between them, which float32 cannot hold."""


def rows_of(seed: int, n: int) -> Rows:
    rng = np.random.default_rng(seed)
    columns = [rng.poisson(3, n), rng.choice(SHARES, n), rng.integers(0, 2**30, n), np.zeros(n)]
    return np.column_stack(columns).astype(np.float32)


def attacks(rows: Rows) -> NDArray[np.bool_]:
    """In stripes, so that a head needs many thresholds."""
    mask: NDArray[np.bool_] = (rows[:, 0] > 4) ^ (np.sin(30 * rows[:, 1]) > 0.5)
    return mask


def forest_of() -> bytes:
    rows = rows_of(1, 2_000)
    forest = IsolationForest(n_estimators=10, random_state=7).fit(rows)
    return to_onnx(forest, rows.shape[1])


@cache
def fitted(stages: int = 20) -> tuple[bytes, FusedForest, HistGradientBoostingClassifier]:
    rows, forest = rows_of(1, 2_000), forest_of()
    head = HistGradientBoostingClassifier(max_iter=stages, max_leaf_nodes=8, random_state=7)
    head.fit(seen(rows), attacks(rows))
    boosted = with_head(forest, head)
    return boosted, FusedForest(boosted), head


def seen(rows: Rows) -> Rows:
    """What the head sees: the row, and what the forest makes of it."""
    return np.column_stack([rows, FusedForest(forest_of()).score(rows).astype(np.float32)])


def learned(rows: Rows) -> Floats:
    """The head's part of the raw score."""
    unlike = FusedForest(forest_of()).score(rows).astype(np.float32)
    return fitted()[1].score(rows) - (1 - LEARNED) * unlike


def assert_orders_as(head: HistGradientBoostingClassifier, rows: Rows) -> None:
    """Equal to scikit-learn's log-odds, but for one straight line."""
    odds = head.decision_function(seen(rows))
    slope, intercept = np.polyfit(odds, learned(rows), 1)

    assert slope > 0
    np.testing.assert_allclose(learned(rows), slope * odds + intercept, atol=1e-6)


def test_the_head_adds_a_straight_line_over_scikit_learns_log_odds() -> None:
    assert_orders_as(fitted()[2], rows_of(2, 3_000))


def test_a_row_falls_on_the_side_of_a_threshold_that_scikit_learn_says() -> None:
    head, rows = fitted()[2], rows_of(3, 3_000)
    rng = np.random.default_rng(4)
    for row in rows:
        tree: Any = head._predictors[rng.integers(20)][0].nodes
        node: Any = rng.choice(tree[tree["is_leaf"] == 0])  # a record of scikit-learn's
        if node["feature_idx"] < len(row):
            nearest = np.float32(node["num_threshold"])
            beside = np.float32(rng.choice([-np.inf, float(nearest), np.inf]))
            row[node["feature_idx"]] = np.nextafter(nearest, beside)

    assert_orders_as(head, rows)


def test_the_heads_part_is_from_0_to_its_share() -> None:
    part = learned(rows_of(5, 3_000))

    assert -1e-6 <= part.min() < part.max() <= LEARNED + 1e-6
    assert np.ptp(part) > LEARNED / 2


@pytest.mark.parametrize("size", [1, 2, 3, 7, 49, 50, 100, 101])
def test_a_score_is_the_same_bits_however_the_rows_are_cut(size: int) -> None:
    _, fused, _ = fitted()
    rows = rows_of(6, 700)

    parts = [fused.score(rows[i : i + size]) for i in range(0, len(rows), size)]

    np.testing.assert_array_equal(np.concatenate(parts), fused.score(rows))


def test_equal_heads_are_equal_bytes() -> None:
    again = fitted.__wrapped__(20)

    assert again[0] == fitted()[0]
