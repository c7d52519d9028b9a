"""Boosted trees behind an isolation forest, in the forest's own ONNX graph: a supervised head.

The head sees the forest's row and, as one column more, the forest's raw score.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import onnx
from onnx import TensorProto, helper

from models.forest import LEAF, Node, ensemble, rounded_down, serialized

if TYPE_CHECKING:  # fitting alone needs scikit-learn, and it takes seconds to import
    from sklearn.ensemble import HistGradientBoostingClassifier

LEARNED = 1 / 3
"""The head's share of the raw score. Alone it orders what is like its labels best, but an attack
unlike all of them worse than the forest does; together they come close to the better of the two."""


def with_head(forest: bytes, boosted: HistGradientBoostingClassifier) -> bytes:
    """A graph from float32 rows `(n, n_features)` to a raw score `(n, 1)` in (0, 1).

    It is the forest's raw score and the head's log-odds, brought to [0, 1], added in fixed shares.
    Equal forests and heads give equal bytes.

    Args:
        forest: A graph of `models.forest.to_onnx`.
        boosted: Fitted on two classes, on the forest's rows and, last, its raw score.
    """
    graph = onnx.load_from_string(forest).graph
    rows, score = graph.input[0].name, graph.output[0].name
    trees = _scaled([_nodes(stage[0].nodes) for stage in boosted._predictors])
    rest = helper.make_tensor("rest", TensorProto.FLOAT, [1], [1 - LEARNED])
    nodes = [
        *graph.node,
        helper.make_node("Concat", [rows, score], ["seen"], axis=1),
        ensemble(trees, "seen", "learned"),
        helper.make_node("Mul", [score, "rest"], ["unlike"]),
        helper.make_node("Add", ["unlike", "learned"], ["raw"]),
    ]
    raw = helper.make_tensor_value_info("raw", TensorProto.FLOAT, [None, 1])
    constants = [*graph.initializer, rest]
    return serialized(helper.make_graph(nodes, "boosted_forest", graph.input, [raw], constants))


def _nodes(tree: Any) -> list[Node]:  # a record array of scikit-learn's, which ships no types
    return [
        Node(LEAF, 0.0, LEAF, LEAF, float(node["value"]))
        if node["is_leaf"]
        else Node(
            int(node["feature_idx"]),
            rounded_down(float(node["num_threshold"])),
            int(node["left"]),
            int(node["right"]),
            0.0,
        )
        for node in tree
    ]


def _scaled(trees: list[list[Node]]) -> list[list[Node]]:
    """The same trees with weights of at least 0, whose sums are at most `LEARNED`."""
    weights = [[node.weight for node in tree if node.feature == LEAF] for tree in trees]
    least = [min(own) for own in weights]
    reach = sum(map(max, weights)) - sum(least)
    scale = LEARNED / reach if reach else 0.0
    return [list(_moved(tree, -low, scale)) for tree, low in zip(trees, least, strict=True)]


def _moved(tree: list[Node], by: float, scale: float) -> Iterator[Node]:
    for node in tree:
        is_leaf = node.feature == LEAF
        yield replace(node, weight=(node.weight + by) * scale) if is_leaf else node
