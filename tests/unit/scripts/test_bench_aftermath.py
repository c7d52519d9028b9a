"""The books after a kill: what is lost, repeated and wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scripts.bench.aftermath import UNKNOWN, Aftermath, Right, aftermath

RIGHT = Right(np.array([1, 2, 3], np.int32), np.array([1, 2, UNKNOWN], np.int32))


def _books(name: str, *answers: Mapping[str, Any]) -> Aftermath:
    return aftermath(name, 1.0, iter([dict(answer) for answer in answers]), RIGHT)


def _peers(number: int, count: int) -> Mapping[str, Any]:
    return {"event_id": f"7-{number}", "count": count}


def _ours(number: int, outcome: str = "decided", count: float | None = None) -> Mapping[str, Any]:
    features = {} if count is None else {"features": {"client_requests_count_10m": count}}
    return {"event_id": f"7-{number}", "outcome": outcome, **features}


def test_all_right_once() -> None:
    books = _books("peer", _peers(0, 1), _peers(1, 2), _peers(2, 3))

    assert books == Aftermath("peer", 3, 1.0, lost=0, repeated=0, compared=3, wrong=0)


def test_what_was_not_answered_is_lost() -> None:
    assert _books("peer", _peers(0, 1), _peers(2, 3)).lost == 1


def test_a_repeat_is_counted_and_its_content_is_not() -> None:
    books = _books("peer", _peers(0, 1), _peers(0, 2), _peers(1, 2), _peers(2, 3))

    assert (books.repeated, books.wrong) == (1, 0)


def test_an_event_counted_twice_makes_the_next_one_wrong() -> None:
    books = _books("peer", _peers(0, 1), _peers(0, 2), _peers(1, 3), _peers(2, 4))

    assert (books.compared, books.wrong) == (3, 2)


def test_an_answer_without_features_cannot_be_compared() -> None:
    books = _books("centinela", _ours(0, count=1.0), _ours(1), _ours(2, count=70.0))

    assert (books.lost, books.compared, books.wrong) == (0, 1, 0)


def test_a_new_event_that_is_taken_for_an_old_one_is_wrong() -> None:
    assert _books("centinela", _ours(0, "duplicate"), _ours(1), _ours(2)).wrong == 1
