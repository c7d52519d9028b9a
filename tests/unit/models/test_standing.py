"""How a standing grows: extended while in force, a strike after it, forgotten in the end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models.contracts import Action, Severity
from models.policy import Policy, micros
from models.standing import Standing, after_finding

HOUR, DAY = micros(timedelta(hours=1)), micros(timedelta(days=1))
POLICY = Policy(
    "p-1",
    {},
    {Severity.HIGH: Action.BLOCK},
    {Action.CHALLENGE: timedelta(hours=1), Action.BLOCK: timedelta(hours=4)},
    holds=Action.CHALLENGE,
)
BLOCK, CHALLENGE = Action.BLOCK, Action.CHALLENGE


def after(*findings: tuple[int, Action]) -> Standing:
    """The standing after findings at some times; the rule is named by the time."""
    standing = None
    for at, action in findings:
        standing = after_finding(POLICY, standing, action, at, f"r{at}")
    assert standing is not None
    return standing


def test_the_first_finding_is_the_first_strike() -> None:
    assert after((0, BLOCK)) == Standing(BLOCK, 4 * HOUR, 1, 0, "r0")


@pytest.mark.parametrize("at", [1, 2 * HOUR, 4 * HOUR - 1])
def test_a_finding_while_in_force_extends_and_is_no_strike(at: int) -> None:
    assert after((0, BLOCK), (at, BLOCK)) == Standing(BLOCK, at + 4 * HOUR, 1, at, f"r{at}")


@pytest.mark.parametrize("at", [4 * HOUR, 4 * HOUR + 1, 3 * DAY])
def test_a_finding_after_the_end_is_the_next_strike_and_holds_twice_as_long(at: int) -> None:
    assert after((0, BLOCK), (at, BLOCK)) == Standing(BLOCK, at + 8 * HOUR, 2, at, f"r{at}")


def test_an_extension_is_as_long_as_the_strike_it_extends() -> None:
    at = 5 * HOUR

    assert after((0, BLOCK), (at, BLOCK), (at + HOUR, BLOCK)).until == at + 9 * HOUR


def test_a_finding_out_of_order_never_shortens() -> None:
    assert after((2 * HOUR, BLOCK), (0, BLOCK)) == after((2 * HOUR, BLOCK))


def test_a_stricter_finding_replaces_what_is_in_force_without_a_strike() -> None:
    assert after((0, CHALLENGE), (1, BLOCK)) == Standing(BLOCK, 1 + 4 * HOUR, 1, 1, "r1")


def test_a_milder_finding_changes_nothing_but_the_time_of_the_newest() -> None:
    assert after((0, BLOCK), (1, CHALLENGE)) == Standing(BLOCK, 4 * HOUR, 1, 1, "r0")


@pytest.mark.parametrize(("after_end", "is_remembered"), [(-1, True), (0, False), (1, False)])
def test_a_standing_is_forgotten_a_week_after_its_end(after_end: int, is_remembered: bool) -> None:
    at = 4 * HOUR + 7 * DAY + after_end

    assert after((0, BLOCK)).is_remembered(POLICY, at) is is_remembered
