"""The text kernel against a plain oracle, and what no text and no cut may change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from feature_store.columns import TextColumn
from models.text_model import (
    LONGEST_QUOTE,
    PATH,
    SLOTS,
    VALUE,
    TextModel,
    Weights,
    loudest,
    loudest_quotes,
    quoted,
    slots_of,
    text_scores,
    value_scores,
)
from tests.unit.models import text_oracle as oracle

WEIGHTS = np.random.default_rng(1).integers(-3, 4, SLOTS).astype(np.int16)
"""Small, so that stretches tie."""
LARGE: Weights = np.random.default_rng(2).integers(-32_767, 32_768, SLOTS).astype(np.int16)
MODEL = TextModel(LARGE, (-200_000.0, 0.0, 200_000.0), (0.0, 0.25, 1.0))

untimed = settings(deadline=None)  # the first call compiles
MARKED = st.text(st.sampled_from("?&=+%%%27aA0fF<' \0ñ;"), max_size=24)
TEXTS = MARKED | st.text(max_size=24)


def found(text: str, weights: Weights, place: int) -> tuple[float, int, int]:
    stretch = loudest(TextColumn.of([text]), weights, place)
    return float(stretch.loudness[0]), int(stretch.start[0]), int(stretch.end[0])


@untimed
@given(TEXTS)
def test_a_value_is_as_loud_as_the_oracle_says(text: str) -> None:
    assert found(text, WEIGHTS, VALUE) == oracle.loudest_value(text, WEIGHTS.tolist())
    assert found(text, LARGE, VALUE) == oracle.loudest_value(text, LARGE.tolist())


@untimed
@given(TEXTS)
@example("/?a=b=c'-or='&=&d")
def test_a_request_is_as_loud_as_its_loudest_part(text: str) -> None:
    assert found(text, WEIGHTS, PATH) == oracle.loudest_request(text, WEIGHTS.tolist())
    assert found(text, LARGE, PATH) == oracle.loudest_request(text, LARGE.tolist())


@untimed
@given(st.lists(TEXTS, max_size=5))
def test_what_is_fitted_on_is_what_scores(texts: list[str]) -> None:
    slots, ends = slots_of(TextColumn.of(texts))

    expected = [oracle.slots(oracle.decoded(text, False)) for text in texts]
    assert slots.tolist() == [row for rows in expected for row in rows]
    assert np.diff(ends).tolist() == [len(rows) for rows in expected]


@untimed
@given(st.lists(TEXTS, min_size=1, max_size=8), st.data())
def test_how_texts_are_cut_into_columns_changes_no_bit(
    texts: list[str], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(texts)))
    whole = text_scores(TextColumn.of(texts), MODEL)
    halves = [text_scores(TextColumn.of(half), MODEL) for half in (texts[:cut], texts[cut:])]

    assert np.concatenate(halves).tobytes() == whole.tobytes()


@untimed
@given(TEXTS)
def test_scores_are_in_the_unit_interval(text: str) -> None:
    column = TextColumn.of([text])

    for score in (text_scores(column, MODEL)[0], value_scores(column, MODEL)[0]):
        assert 0 <= score <= 1


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("/a?q=%27%20OR", "/a?q=' or"),
        ("/a?q=a+b", "/a?q=a%20b"),
        ("/A?Q=B", "/a?q=b"),
        ("/%41", "/a"),
    ],
)
def test_writings_of_one_request_sound_alike(left: str, right: str) -> None:
    assert found(left, LARGE, PATH) == found(right, LARGE, PATH)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("/a?q=%2527", "/a?q=%27"),  # decoded once, not twice
        ("/a+b", "/a%20b"),  # a plus is a space in a query only
        ("/a?q=%26x=y", "/a?q=&x=y"),  # an escaped mark parts nothing
    ],
)
def test_writings_of_different_requests_do_not(left: str, right: str) -> None:
    assert found(left, LARGE, PATH) != found(right, LARGE, PATH)


@pytest.mark.parametrize("text", ["%", "%4", "%zz", "%%", "?", "&", "=", "/?&&==", "%00", "\0"])
def test_torn_texts_are_read_to_their_end(text: str) -> None:
    assert found(text, LARGE, PATH) == oracle.loudest_request(text, LARGE.tolist())


def test_no_text_has_no_score_and_an_empty_one_has() -> None:
    assert text_scores(TextColumn.of([]), MODEL).shape == (0,)
    assert 0 <= text_scores(TextColumn.of([""]), MODEL)[0] <= 1


def test_a_huge_text_is_scored_and_its_neighbours_are_untouched() -> None:
    small, huge = "/a?q=1", "/" + "x'%20" * 200_000
    scores = text_scores(TextColumn.of([small, huge, small]), MODEL)

    assert scores[0] == scores[2] == text_scores(TextColumn.of([small]), MODEL)[0]


@untimed
@given(TEXTS)
def test_a_quoted_stretch_is_part_of_the_decoded_text(text: str) -> None:
    _, start, end = found(text, LARGE, VALUE)
    read = oracle.decoded(text, False)

    assert quoted(TextColumn.of([text]), start, end, VALUE) == read[start:end].decode(
        errors="replace"
    )


def test_a_quote_for_people_is_short_and_moves_no_cursor() -> None:
    upwards = TextModel(np.ones(SLOTS, np.int16), (0.0, 1.0), (0.0, 1.0))
    texts = ["/ordinary", "/?q=%1b[2J" + "a" * 200, "/%C3%A9t%C3%A9\r\n"]

    [escaped, plain] = loudest_quotes(TextColumn.of(texts), np.array([1, 2]), upwards)

    assert escaped.startswith("\\x1b[2j")
    assert escaped.endswith("...")
    assert len(escaped) == LONGEST_QUOTE
    assert plain == "/été\\r\\n"
