"""What a score is made of, against the model asked once for each feature."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.columns import Columns, Floats
from feature_store.offline import features_of
from models.artifacts import champion_of
from models.catalog import pack_named
from models.contributions import LARGEST, contributions

PACK = pack_named("access")
CHAMPION = champion_of("access")
NAMES = PACK.features.names
MODEL = CHAMPION.manifest.features
EVENTS = [event for event, _ in PACK.simulate(7, 2_000)]
FEATURES = features_of(PACK.features, PACK.columns(EVENTS))


def most_suspicious() -> int:
    feature = Columns.of_matrix(NAMES, FEATURES)
    return int(CHAMPION.score(feature, PACK.columns(EVENTS)).argmax())


NUMBER = most_suspicious()
ROW = FEATURES[NUMBER : NUMBER + 1]
EVENT = PACK.columns([EVENTS[NUMBER]])


def row(values: Floats) -> Columns:
    return Columns.of_matrix(NAMES, values)


def usual(name: str) -> float:
    return CHAMPION.manifest.statistics[name].median


def test_each_is_how_far_the_score_falls_with_that_feature_alone_as_usual() -> None:
    [score] = CHAMPION.score(row(ROW), EVENT)
    found = contributions(CHAMPION, row(ROW), EVENT, most=len(MODEL))

    windowed = [one for one in found if one.feature in NAMES]
    assert len(windowed) > LARGEST
    for one in windowed:
        without = ROW.copy()
        without[0, NAMES.index(one.feature)] = one.usual
        [other] = CHAMPION.score(row(without), EVENT)
        assert one.usual == np.float32(usual(one.feature))
        assert one.score == pytest.approx(score - other, abs=1e-6)


def test_columns_of_the_event_contribute_too() -> None:
    name = next(name for name in MODEL if name not in NAMES)
    strange = EVENT.with_columns(**{name: np.array([9_999])})

    found = contributions(CHAMPION, row(ROW), strange, most=len(MODEL))
    assert name in {one.feature for one in found}


def test_the_largest_come_first_and_only_those_that_raise_the_score() -> None:
    found = contributions(CHAMPION, row(ROW), EVENT)

    falls = [one.raw for one in found]
    assert falls == sorted(falls, reverse=True)
    assert min(falls) > 0
    assert len(found) == LARGEST


def test_what_was_unknown_contributes_nothing() -> None:
    known = contributions(CHAMPION, row(ROW), EVENT)[0].feature
    without = ROW.copy()
    without[0, NAMES.index(known)] = np.nan

    found = contributions(CHAMPION, row(without), EVENT, most=len(MODEL))
    assert known not in {one.feature for one in found}


def test_where_all_is_as_usual_nothing_contributes() -> None:
    ordinary = np.array([[usual(name) if name in MODEL else 0.0 for name in NAMES]])
    event = EVENT.with_columns(
        **{name: np.array([usual(name)]) for name in MODEL if name not in NAMES}
    )

    assert contributions(CHAMPION, row(ordinary), event) == ()
