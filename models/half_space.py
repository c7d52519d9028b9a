"""Half-space trees: a streaming anomaly detector without labels, here for comparison only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from feature_store.columns import Floats, Ints

TREES = 25
DEPTH = 15
WINDOW = 2_000
"""Rows. The paper takes 250: between two windows of so few, a log's ordinary rows differ so much
that one in a hundred has no mass in any tree, and no threshold tells them apart."""
SIZE_LIMIT = 0.1
"""Of the window: a node with no more mass ends a path. Trees, depth and this share are the
paper's."""


class HalfSpaceTrees:
    """Random trees over the unit cube that count, window after window, where the rows fall.

    Args:
        n_features: Width of the rows.
        window: Rows.

    References:
        Tan, Ting and Liu, Fast Anomaly Detection for Streaming Data (2011),
        doi 10.5591/978-1-57735-516-8/IJCAI11-254.
    """

    def __init__(self, n_features: int, seed: int, window: int = WINDOW) -> None:
        self._window = window
        trees = [_grown(np.random.default_rng([seed, i]), n_features) for i in range(TREES)]
        self._dimensions = np.stack([dimensions for dimensions, _ in trees])
        self._cuts = np.stack([cuts for _, cuts in trees])

    def masses(self, rows: Floats) -> Floats:
        """How usual each row is, `(n,)`: low is anomalous; infinite in the first window.

        Rows are scored against the window before theirs, and then counted.

        Args:
            rows: `(n, n_features)`, finite, about in [0, 1].
        """
        masses = np.full(len(rows), np.inf)
        reference = None
        for start in range(0, len(rows), self._window):
            here = slice(start, start + self._window)
            visited = self._visited(rows[here])
            if reference is not None:
                masses[here] = _masses(visited, reference, SIZE_LIMIT * self._window)
            if len(rows[here]) == self._window:
                reference = _counted(visited)
        return masses

    def _visited(self, rows: Floats) -> Ints:
        """Each tree's nodes on each row's path from the root down, `(DEPTH + 1, TREES, n)`."""
        tree, row = np.arange(TREES)[:, None], np.arange(len(rows))[None, :]
        visited = np.zeros((DEPTH + 1, TREES, len(rows)), np.int64)
        for depth in range(DEPTH):
            node = visited[depth]
            above = rows[row, self._dimensions[tree, node]] >= self._cuts[tree, node]
            visited[depth + 1] = 2 * node + 1 + above
        return visited


def _grown(
    chance: np.random.Generator, n_features: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """The dimension and the cut of each inner node, breadth first: the middle of its range."""
    centre = chance.random(n_features)
    reach = 2 * np.maximum(centre, 1 - centre)
    low, high = (centre - reach)[None, :], (centre + reach)[None, :]
    dimensions, cuts = [], []
    for depth in range(DEPTH):
        node, drawn = np.arange(2**depth), chance.integers(0, n_features, 2**depth)
        cut = (low[node, drawn] + high[node, drawn]) / 2
        dimensions.append(drawn.astype(np.int8))
        cuts.append(cut.astype(np.float32))
        low, high = np.repeat(low, 2, axis=0), np.repeat(high, 2, axis=0)
        high[2 * node, drawn] = cut
        low[2 * node + 1, drawn] = cut
    return np.concatenate(dimensions), np.concatenate(cuts)


def _masses(visited: Ints, reference: Ints, limit: float) -> Floats:
    """Summed over trees: the mass of the node where the path ends times 2 to its depth."""
    mass = reference[np.arange(TREES)[:, None], visited]
    ends = np.argmax(mass <= limit, axis=0)
    ends[~(mass <= limit).any(axis=0)] = DEPTH
    at_end = np.take_along_axis(mass, ends[None], axis=0)[0]
    masses: Floats = (at_end * 2.0**ends).sum(axis=0)
    return masses


def _counted(visited: Ints) -> Ints:
    """How many rows came through each node, `(TREES, n_nodes)`."""
    nodes = 2 ** (DEPTH + 1) - 1
    flat = (visited + nodes * np.arange(TREES)[:, None]).ravel()
    return np.bincount(flat, minlength=TREES * nodes).reshape(TREES, nodes)
