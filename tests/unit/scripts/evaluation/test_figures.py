"""Courses and spreads: from which request on a client is blocked."""

from __future__ import annotations

import pytest

from models.contracts import Action, ActionTaken
from scripts.evaluation.figures import Spread, courses, spread_of


def taken(client: str, second: int, action: str | None, outcome: str = "decided") -> ActionTaken:
    at = f"2025-03-03T12:00:{second:02}.000Z"
    return ActionTaken(f"{client}{second}", outcome, action, client, at)  # type: ignore[arg-type]  # words of the wire


def test_a_course_counts_up_to_the_first_block() -> None:
    actions = [taken("a", 5, "alert"), taken("b", 6, "challenge"), taken("a", 9, "allow")]
    actions += [taken("a", 20, "block"), taken("a", 21, "block"), taken("c", 22, "allow")]

    met = courses(actions)

    assert (met["a"].worst, met["a"].requests_to_block, met["a"].seconds_to_block) == (3, 3, 15.0)
    assert (met["b"].worst, met["b"].requests_to_block) == (Action.CHALLENGE, None)
    assert met["c"].worst == Action.ALLOW


def test_a_late_event_is_a_request_without_an_action() -> None:
    met = courses([taken("a", 5, None, "late"), taken("a", 6, "block")])

    assert met["a"].requests_to_block == 2


@pytest.mark.parametrize(
    ("values", "spread"),
    [
        ([], Spread(None, None, None)),
        ([4], Spread(4, 4, 4)),
        ([3, 1, 2, 10], Spread(2, 10, 10)),
        ([1, None, 1], Spread(1, None, None)),
        ([1] * 9 + [None], Spread(1, 1, None)),
        ([None, None, 1], Spread(None, None, None)),
    ],
    ids=["none", "one", "even", "a third never", "a tenth never", "most never"],
)
def test_who_is_never_blocked_lies_beyond_all_values(
    values: list[float | None], spread: Spread
) -> None:
    assert spread_of(values) == spread
