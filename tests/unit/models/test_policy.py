"""What a policy refuses to be, and how long its actions hold."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from models.contracts import Action, Severity
from models.errors import InvalidPolicy
from models.policy import Escalation, Policy, micros

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def policy(**changes: Any) -> Policy:
    usual: dict[str, Any] = {
        "version": "p-1",
        "by_score": {Action.ALERT: 0.9},
        "by_severity": {Severity.HIGH: Action.BLOCK},
        "ttl": {Action.BLOCK: 4 * HOUR},
    }
    return Policy(**(usual | changes))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"ttl": {Action.ALERT: HOUR}}, "a block must have a time to live"),
        ({"ttl": {}}, "a block must have a time to live"),
        ({"ttl": {Action.BLOCK: timedelta()}}, "time to live of block must be > 0"),
        ({"by_score": {Action.ALERT: 1.7}}, r"score for alert must be in \[0, 1\], got 1.7"),
        ({"by_score": {Action.ALERT: -0.1}}, r"score for alert must be in \[0, 1\], got -0.1"),
        ({"by_score": {Action.BLOCK: float("nan")}}, r"must be in \[0, 1\], got nan"),
        ({"holds": Action.ALLOW}, "an allow cannot hold"),
        ({"holds": Action.ALERT}, "alert holds, so it must have a time to live"),
        ({"escalation": Escalation(factor=0)}, "factor must be >= 1, got 0"),
        ({"escalation": Escalation(forgotten_after=-HOUR)}, "forgotten after >= 0"),
        ({"escalation": Escalation(longest=60 * DAY)}, "must be <= 60 days, 0:00:00, got 67 days"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(InvalidPolicy, match=f"policy p-1: .*{rule}"):
        policy(**changes)


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_a_threshold_may_lie_on_its_bounds(score: float) -> None:
    assert policy(by_score={Action.ALERT: score}).by_score[Action.ALERT] == score


@pytest.mark.parametrize(
    ("strikes", "hours"), [(1, 4), (2, 8), (3, 16), (6, 128), (7, 168), (8, 168), (10_000, 168)]
)
def test_each_strike_doubles_the_hold_up_to_the_longest(strikes: int, hours: int) -> None:
    assert policy().held_us(Action.BLOCK, strikes) == micros(hours * HOUR)


def test_the_longest_hold_never_shortens_the_first() -> None:
    short = policy(escalation=Escalation(longest=HOUR))

    assert [short.held_us(Action.BLOCK, strikes) for strikes in (1, 2)] == [micros(4 * HOUR)] * 2


@pytest.mark.parametrize(
    ("holds", "holding"),
    [
        (Action.BLOCK, [Action.BLOCK]),
        (Action.CHALLENGE, [Action.CHALLENGE, Action.BLOCK]),
        (None, []),
    ],
)
def test_an_action_and_the_stricter_ones_hold(holds: Action | None, holding: list[Action]) -> None:
    made = policy(holds=holds, ttl={Action.BLOCK: HOUR, Action.CHALLENGE: HOUR})

    assert [action for action in Action if made.does_hold(action)] == holding


def test_the_strictest_of_score_and_rules_is_chosen() -> None:
    score = np.array([0.0, 0.95, np.nan, 0.95])
    severity = np.array([0, 0, Severity.HIGH, Severity.CRITICAL])

    assert policy().actions(score, severity).tolist() == [0, Action.ALERT, 3, 3]
