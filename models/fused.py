"""Evaluates the graphs that `forest.py` and `boosting.py` write: sums over trees, and arithmetic.

ONNX Runtime does it too, in three times the time for a hundred rows (ADR 0006).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from feature_store.columns import Floats
from models.errors import InvalidArtifact
from models.trees import Trees, depth_of

Values = NDArray[np.float32]
Operator = Callable[..., Values]


class FusedForest:
    """One graph; a row's score never depends on the others.

    Args:
        model: An ONNX graph of one input, float32 rows `(n, n_features)`, and one output `(n, 1)`.

    Raises:
        InvalidArtifact: It is no graph, or has another operator than those of `OPERATORS`.
    """

    def __init__(self, model: bytes) -> None:
        graph = _graph(model)
        self._row, self._score = graph.input[0].name, graph.output[0].name
        self._constants = {c.name: numpy_helper.to_array(c) for c in graph.initializer}
        self._steps = [
            (_operator(node), tuple(node.input), str(node.output[0])) for node in graph.node
        ]
        self.features = int(graph.input[0].type.tensor_type.shape.dim[1].dim_value)
        """How many values a row has."""

    def score(self, rows: Values) -> Floats:
        """The raw anomaly score of each row, `(n,)`."""
        values: dict[str, Values] = {**self._constants, self._row: rows}
        for operator, inputs, output in self._steps:
            values[output] = operator(*(values[name] for name in inputs))
        return values[self._score][:, 0].astype(np.float64)


def _graph(model: bytes) -> Any:  # generated from a schema; its types say little
    try:
        return onnx.load_from_string(model).graph
    except Exception as error:  # protobuf raises what its implementation of the day raises
        raise InvalidArtifact(f"not an ONNX graph: {error}") from error


def _operator(node: onnx.NodeProto) -> Operator:
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if node.op_type not in OPERATORS:
        known = ", ".join(sorted(OPERATORS))
        raise InvalidArtifact(f"an operator of the graph must be one of {known}, is {node.op_type}")
    return OPERATORS[node.op_type](attributes)


def _summed(trees: Trees, rows: Values) -> Values:
    return trees.sums(rows)[:, None]


def _joined(*columns: Values) -> Values:
    return np.concatenate(columns, axis=1)


def _power(base: Values, exponent: Values) -> Values:
    # In float64 and then rounded: float32's own power may differ by a bit from row to row.
    return np.power(base, exponent, dtype=np.float64).astype(np.float32)


def _trees(attributes: Mapping[str, Any]) -> Trees:
    """The flat arrays of a TreeEnsembleRegressor of branches `<=` whose weights are summed."""
    modes = set(attributes["nodes_modes"])
    if not modes <= {b"BRANCH_LEQ", b"LEAF"} or attributes["aggregate_function"] != b"SUM":
        raise InvalidArtifact(f"a tree ensemble must sum over branches <=, has {sorted(modes)}")
    tree = np.array(attributes["nodes_treeids"], np.int64)
    root = np.searchsorted(tree, np.arange(tree[-1] + 1)).astype(np.uint32)
    node = np.arange(len(tree))
    if not np.array_equal(root[tree] + np.array(attributes["nodes_nodeids"]), node):
        raise InvalidArtifact("the nodes of a tree ensemble must be numbered tree by tree from 0")
    is_leaf = np.array([mode == b"LEAF" for mode in attributes["nodes_modes"]])
    left, right = (
        np.where(is_leaf, node, root[tree] + np.array(attributes[side], np.int64))
        for side in ("nodes_truenodeids", "nodes_falsenodeids")
    )
    child = np.column_stack([left, right])
    if (child[~is_leaf] <= node[~is_leaf, None]).any() or child.max() >= len(node):
        raise InvalidArtifact("a branch of a tree ensemble must stand before both of its nodes")
    weight = np.zeros(len(tree), np.float32)
    target = root[attributes["target_treeids"]] + np.array(attributes["target_nodeids"])
    weight[target] = attributes["target_weights"]
    links = child.ravel().astype(np.uint32)
    feature = np.array(attributes["nodes_featureids"], np.uint32)
    return Trees(
        int(feature.max()) + 1,
        root,
        depth_of(root, links),
        feature,
        np.array(attributes["nodes_values"], np.float32),
        links,
        weight,
    )


OPERATORS: Mapping[str, Callable[[Mapping[str, Any]], Operator]] = {
    "Add": lambda _: np.add,
    "Concat": lambda _: _joined,
    "Mul": lambda _: np.multiply,
    "Pow": lambda _: _power,
    "TreeEnsembleRegressor": lambda attributes: partial(_summed, _trees(attributes)),
}
"""The operators of ONNX that are known, each made from a node's attributes."""
