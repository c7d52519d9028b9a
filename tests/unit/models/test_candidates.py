"""The comparison: the shipped forest first, all on the validation window, nothing fitted on it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from feature_store.columns import Columns
from models.artifacts import model_rows
from models.candidates import (
    ALERTED_SHARE,
    OTHER_SIZES,
    PEERS,
    Compared,
    compared,
    known_rows,
)
from models.packs.access import PACK
from models.training import TREES, fitted
from tests.unit.models.streams import SEED, small


@cache
def all_compared() -> tuple[Compared, ...]:
    return tuple(compared(small(), fitted(PACK, small(), SEED)[1], SEED))


def test_the_shipped_forest_comes_first_then_other_sizes_then_its_peers() -> None:
    names = [each.name for each in all_compared()]
    forests = [f"isolation forest, {trees} trees" for trees in (TREES, *OTHER_SIZES)]

    assert names == [*forests, *(peer.name for peer in PEERS)]


def test_each_has_its_figures_and_its_costs() -> None:
    for each in all_compared():
        assert each.average_precision is not None
        assert 0 < each.average_precision <= 1
        assert each.fit_s > 0
        assert each.us_an_event > 0


def test_precision_is_that_of_the_events_which_would_be_alerted() -> None:
    alerted = round(ALERTED_SHARE * len(small().truth[small().windows.validation]))

    for each in all_compared():
        assert each.precision is not None
        assert (each.precision * alerted) % 1 == pytest.approx(0)


def test_the_forest_agrees_with_itself() -> None:
    assert all_compared()[0].agreement == 1


def test_without_known_truth_only_agreement_and_costs_are_told() -> None:
    data = replace(small(), truth=np.full(len(small()), np.nan))
    manifest = fitted(PACK, small(), SEED)[1]

    first = next(compared(data, manifest, SEED))
    assert (first.average_precision, first.precision, first.agreement) == (None, None, 1)


def test_the_peers_see_the_forests_features_with_the_unknown_left_unknown() -> None:
    manifest = fitted(PACK, small(), SEED)[1]
    rows = known_rows(manifest, small())
    imputed = model_rows(manifest, small().feature, small().event)
    known = np.isfinite(rows)

    assert not known.all()
    np.testing.assert_array_equal(rows[known].astype(np.float32), imputed[known])


def test_nothing_is_fitted_on_what_is_scored() -> None:
    data = small()
    half = (data.windows.validation.start + data.windows.validation.stop) // 2
    truth = data.truth.copy()
    truth[half:] = np.nan
    rows = np.column_stack([getattr(data.feature, name) for name in data.feature])
    rows[half:] = 1e6 * (1 + np.arange(rows[half:].size).reshape(rows[half:].shape))
    told = replace(data, truth=truth)
    other = replace(told, feature=Columns.of_matrix(list(data.feature), rows))
    manifest = fitted(PACK, data, SEED)[1]

    both = zip(compared(told, manifest, SEED), compared(other, manifest, SEED), strict=True)
    for one, same in both:
        assert one.average_precision == same.average_precision
