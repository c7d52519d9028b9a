"""What a text model learns from labelled values, and that it learns the same each time."""

from __future__ import annotations

import random

import numpy as np
import pytest

from feature_store.columns import Mask, TextColumn
from models.text_model import VALUE as VALUE_PLACE
from models.text_model import TextModel, loudest, value_scores
from models.text_training import LARGEST, Fit, calibration, fit, fit_weights, taken

LETTERS = "abc"


def labelled(seed: int, n: int) -> tuple[TextColumn, Mask]:
    """Words and marks; where two marks touch, which is in a third of the texts, it is an attack."""
    chance = random.Random(seed)
    attack = np.array([chance.random() < 0.33 for _ in range(n)])
    return TextColumn.of([_text(chance, bool(each)) for each in attack]), attack


def _text(chance: random.Random, attack: bool) -> str:
    words = ["".join(chance.choices(LETTERS, k=chance.randint(2, 9))) for _ in range(4)]
    marks = [chance.choice(("'", "-", "")) for _ in words]
    if attack:
        marks[chance.randrange(4)] = "'-"
    return "".join(mark + word for mark, word in zip(marks, words, strict=True))


@pytest.fixture(scope="module")
def fitted() -> Fit:
    return fit(*labelled(1, 600))


def test_attacks_that_were_not_fitted_on_are_told_apart(fitted: Fit) -> None:
    values, attack = labelled(2, 400)

    np.testing.assert_array_equal(value_scores(values, fitted.model) >= 0.5, attack)


def test_each_value_is_scored_by_a_model_that_has_not_seen_it(fitted: Fit) -> None:
    _, attack = labelled(1, 600)

    np.testing.assert_array_equal(fitted.unheard >= 0.5, attack)


def test_an_attack_is_as_loud_in_the_middle_of_a_long_text(fitted: Fit) -> None:
    words = "abcacb" * 20

    plain, hidden = value_scores(TextColumn.of([words, f"{words}'-{words}"]), fitted.model)

    assert plain < 0.9 < hidden


def test_the_same_values_give_the_same_model(fitted: Fit) -> None:
    again = fit(*labelled(1, 600))

    assert again.model.weights.tobytes() == fitted.model.weights.tobytes()
    assert again.model.loudness == fitted.model.loudness


def test_the_heaviest_weight_takes_all_the_room_there_is() -> None:
    assert np.abs(fit_weights(*labelled(1, 200)).astype(np.int64)).max() == LARGEST


def test_calibration_rises_from_nought_to_one() -> None:
    values, attack = labelled(1, 200)
    loudness = loudest(values, fit_weights(values, attack), VALUE_PLACE).loudness

    points, score = calibration(loudness, attack)

    assert (np.diff(points) > 0).all()
    assert (np.diff(score) > 0).all()
    assert (score[0], score[-1]) == (0.0, 1.0)


def test_a_half_is_where_both_kinds_are_equally_likely() -> None:
    """Attacks around 3, ordinary values around 1, and as many of each."""
    draw = np.random.default_rng(3)
    loudness = np.concatenate([draw.normal(1_000, 400, 4_000), draw.normal(3_000, 400, 4_000)])
    model = TextModel(np.zeros(0, np.int16), *calibration(loudness, np.arange(8_000) >= 4_000))

    assert model.calibrated(np.array([2_000.0]))[0] == pytest.approx(0.5, abs=0.05)


def test_taken_texts_are_those_of_their_rows() -> None:
    column = taken(TextColumn.of(["a", "", "ñandú", "b"]), np.array([2, 1, 0]))

    expected = TextColumn.of(["ñandú", "", "a"])
    assert column.buffer.tobytes() == expected.buffer.tobytes()
    np.testing.assert_array_equal(column.offsets, expected.offsets)
