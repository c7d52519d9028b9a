"""The fused forest against scikit-learn's own scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from models.errors import InvalidArtifact
from models.forest import mean_path_length, to_onnx
from models.fused import FusedForest

Rows = NDArray[np.float32]


def rows_of(seed: int, n: int) -> Rows:
    """Columns of very different scales, with ties, as counts and shares have them."""
    rng = np.random.default_rng(seed)
    columns = [
        rng.poisson(3, n),
        rng.random(n),
        rng.standard_normal(n) * 1e-3,
        rng.integers(0, 2**40, n),
        np.zeros(n),
    ]
    return np.column_stack(columns).astype(np.float32)


def fitted(rows: Rows, **parameters: Any) -> IsolationForest:
    return IsolationForest(random_state=7, **parameters).fit(rows)


def fused(forest: IsolationForest) -> FusedForest:
    return FusedForest(to_onnx(forest, forest.n_features_in_))


@pytest.mark.parametrize(
    "parameters",
    [{}, {"max_features": 0.5}, {"n_estimators": 3, "max_samples": 2}, {"max_samples": 1_000}],
    ids=["defaults", "some features a tree", "tiny", "deep"],
)
def test_scores_equal_those_of_scikit_learn(parameters: dict[str, Any]) -> None:
    forest = fitted(rows_of(1, 2_000), **parameters)
    rows = rows_of(2, 3_000)

    np.testing.assert_allclose(fused(forest).score(rows), -forest.score_samples(rows), atol=1e-6)


def test_the_graph_means_the_same_to_onnx_runtime() -> None:
    forest, rows = fitted(rows_of(1, 2_000)), rows_of(2, 3_000)
    graph = to_onnx(forest, forest.n_features_in_)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])

    scores = session.run(None, {"row": rows})[0][:, 0]

    np.testing.assert_allclose(FusedForest(graph).score(rows), scores, rtol=1e-6)


def graph_with(change: Callable[[onnx.GraphProto], None]) -> bytes:
    model = onnx.load_from_string(to_onnx(fitted(rows_of(1, 300), n_estimators=3), 5))
    change(model.graph)
    encoded: bytes = model.SerializeToString()
    return encoded


def attribute(graph: onnx.GraphProto, name: str) -> onnx.AttributeProto:
    found: onnx.AttributeProto
    [found] = [each for each in graph.node[0].attribute if each.name == name]
    return found


def of_another_operator(graph: onnx.GraphProto) -> None:
    graph.node[1].op_type = "Div"


def of_other_branches(graph: onnx.GraphProto) -> None:
    attribute(graph, "nodes_modes").strings[0] = b"BRANCH_LT"


def of_nodes_in_disorder(graph: onnx.GraphProto) -> None:
    attribute(graph, "nodes_nodeids").ints[3] = 7


def of_a_circle(graph: onnx.GraphProto) -> None:
    attribute(graph, "nodes_truenodeids").ints[1] = 0


def of_a_node_that_is_not_there(graph: onnx.GraphProto) -> None:
    attribute(graph, "nodes_falsenodeids").ints[0] = 1_000_000


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (of_another_operator, "must be one of Add, Concat, Mul, Pow, .*, is Div"),
        (of_other_branches, "must sum over branches <="),
        (of_nodes_in_disorder, "numbered tree by tree from 0"),
        (of_a_circle, "must stand before both of its nodes"),
        (of_a_node_that_is_not_there, "must stand before both of its nodes"),
    ],
)
def test_a_graph_that_cannot_be_evaluated_is_refused(
    change: Callable[[onnx.GraphProto], None], told: str
) -> None:
    with pytest.raises(InvalidArtifact, match=told):
        FusedForest(graph_with(change))


def test_what_is_no_graph_is_refused() -> None:
    with pytest.raises(InvalidArtifact, match="not an ONNX graph"):
        FusedForest(b"MZ not a graph")


def test_rows_that_are_too_narrow_are_refused() -> None:
    rows = rows_of(1, 300)

    with pytest.raises(ValueError, match="rows of 2 values"):
        fused(fitted(rows)).score(rows[:, :2])


def test_the_order_of_the_trees_changes_no_bit() -> None:
    forest, rows = fitted(rows_of(1, 2_000)), rows_of(2, 3_000)
    before = fused(forest).score(rows)

    forest.estimators_.reverse()
    forest.estimators_features_.reverse()

    assert fused(forest).score(rows).tobytes() == before.tobytes()


def test_scores_are_equal_exactly_at_thresholds_and_one_float_beside_them() -> None:
    forest = fitted(rows_of(1, 2_000))
    rows = rows_of(3, 3_000)
    rng = np.random.default_rng(4)
    for row in rows:
        tree = forest.estimators_[rng.integers(100)].tree_
        node = rng.choice(np.flatnonzero(tree.children_left >= 0))
        nearest = np.float32(tree.threshold[node])
        beside = rng.choice([-np.inf, float(nearest), np.inf])
        row[tree.feature[node]] = np.nextafter(nearest, np.float32(beside))

    np.testing.assert_allclose(fused(forest).score(rows), -forest.score_samples(rows), atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 49, 50, 51, 100, 101])
def test_a_score_is_the_same_bits_however_the_rows_are_cut(size: int) -> None:
    rows = rows_of(5, 700)
    model = fused(fitted(rows))
    whole = model.score(rows)

    parts = [model.score(rows[i : i + size]) for i in range(0, len(rows), size)]

    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_no_rows_have_no_scores() -> None:
    rows = rows_of(5, 100)

    assert fused(fitted(rows)).score(rows[:0]).shape == (0,)


def test_equal_forests_are_equal_bytes() -> None:
    rows = rows_of(6, 500)

    assert to_onnx(fitted(rows), 5) == to_onnx(fitted(rows), 5)


@pytest.mark.parametrize(("n", "length"), [(0, 0.0), (1, 0.0), (2, 1.0), (256, 10.24477092012)])
def test_mean_path_length_is_that_of_the_paper(n: int, length: float) -> None:
    assert mean_path_length(n) == pytest.approx(length, abs=1e-9)
