"""Half-space trees: what falls where nothing fell before has no mass."""

from __future__ import annotations

import numpy as np

from models.half_space import WINDOW, HalfSpaceTrees


def clustered(n: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.random.default_rng(seed).normal(0.3, 0.03, (n, 3))


def test_the_first_window_has_no_score() -> None:
    masses = HalfSpaceTrees(3, 7).masses(clustered(WINDOW + 1, 1))

    assert np.isinf(masses[:WINDOW]).all()
    assert np.isfinite(masses[WINDOW])


def test_a_row_far_from_all_others_has_the_least_mass() -> None:
    rows = np.vstack([clustered(2 * WINDOW, 1), [[0.9, 0.9, 0.9]]])

    masses = HalfSpaceTrees(3, 7).masses(rows)

    assert masses[-1] < np.quantile(masses[WINDOW:-1], 0.001)


def test_what_stays_is_learned() -> None:
    moved = clustered(2 * WINDOW, 2) + 0.5
    masses = HalfSpaceTrees(3, 7).masses(np.vstack([clustered(WINDOW, 1), moved]))

    first, second = masses[WINDOW : 2 * WINDOW], masses[2 * WINDOW :]
    assert np.median(second) > 100 * np.median(first)


def test_a_seed_is_a_forest() -> None:
    rows = clustered(WINDOW + 50, 3)

    one, same, other = (HalfSpaceTrees(3, seed).masses(rows)[WINDOW:] for seed in (7, 7, 8))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
