"""Sums over the trees of an ensemble, for many rows at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feature_store.compiled import compiled

Rows = NDArray[np.float32]
Ids = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Trees:
    """Trees of binary splits, node by node in flat arrays.

    Args:
        width: How many values a row must have for all that the nodes look at.
        root: Each tree's first node, `(n_trees,)`.
        depth: Splits from there to its deepest leaf, `(n_trees,)`.
        feature: Which value of a row a node looks at, `(n_nodes,)`.
        threshold: At most it goes left, above it right, `(n_nodes,)`.
        child: Left and right of each node, `(2 * n_nodes,)`; both of a leaf's are the leaf.
        weight: What a leaf adds, `(n_nodes,)`; sums of it are exact, so their order is nothing.
    """

    width: int
    root: Ids
    depth: Ids
    feature: Ids
    threshold: Rows
    child: Ids
    weight: Rows

    def sums(self, rows: Rows) -> Rows:
        """Per row, the weights of the leaves where it falls, `(n,)`.

        Raises:
            ValueError: A row has not the values that the trees look at.
        """
        if rows.shape[1] < self.width:
            raise ValueError(f"rows of {rows.shape[1]} values, and the trees see more")
        total = np.zeros(len(rows), np.float32)
        shape = self.root, self.depth, self.feature, self.threshold, self.child, self.weight
        _add(np.ascontiguousarray(rows), *shape, total)
        return total


def depth_of(root: Ids, child: Ids) -> Ids:
    """Splits from each tree's root to its deepest leaf, `(n_trees,)`."""
    depth = np.zeros(len(root), np.uint32)
    for tree, first in enumerate(root):
        level = np.array([first])
        while len(level := level[child[2 * level] != level]):
            depth[tree] += 1
            level = np.concatenate([child[2 * level], child[2 * level + 1]])
    return depth


@compiled
def _add(
    rows: Rows,
    root: Ids,
    depth: Ids,
    feature: Ids,
    threshold: Rows,
    child: Ids,
    weight: Rows,
    total: Rows,
) -> None:
    # A leaf is its own child, so that every row takes equally many steps and none is a branch that
    # the processor could guess wrong; with four rows at a time one does not wait for another.
    two = np.uint64(2)
    paired = len(rows) - len(rows) % 4
    for tree in range(len(root)):
        for row in range(0, paired, 4):
            a = b = c = d = root[tree]
            for _ in range(depth[tree]):
                a = child[two * a + np.uint64(rows[row, feature[a]] > threshold[a])]
                b = child[two * b + np.uint64(rows[row + 1, feature[b]] > threshold[b])]
                c = child[two * c + np.uint64(rows[row + 2, feature[c]] > threshold[c])]
                d = child[two * d + np.uint64(rows[row + 3, feature[d]] > threshold[d])]
            total[row] += weight[a]
            total[row + 1] += weight[b]
            total[row + 2] += weight[c]
            total[row + 3] += weight[d]
        for row in range(paired, len(rows)):
            a = root[tree]
            for _ in range(depth[tree]):
                a = child[two * a + np.uint64(rows[row, feature[a]] > threshold[a])]
            total[row] += weight[a]
