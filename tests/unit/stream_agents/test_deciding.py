"""What is in force, and who is on a list, decide beside what an event earns by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec.structs import replace as with_fields

from models.contracts import Action, ScoredEvent
from models.lists import Entry
from tests.unit.stream_agents.decisions import (
    DAY,
    HOUR,
    NOON,
    PACK,
    SECOND,
    TRAVERSAL,
    WHY,
    A,
    B,
    Decisions,
    answers,
    attack,
    event,
    regime,
    suspicion,
)

RANGE = "203.0.113.0/24"


def actions(*events: ScoredEvent) -> list[str | None]:
    return [taken.action for taken in answers(*events)]


def allow(name: str = A, until: int | None = None, note: str = "") -> Entry:
    return Entry("allow", name, NOON, until, note)


def deny(name: str = A, until: int | None = None, note: str = "") -> Entry:
    return Entry("deny", name, NOON, until, note)


@pytest.mark.parametrize(
    ("after", "action"),
    [(0, "block"), (1, "block"), (4 * HOUR - 1, "block"), (4 * HOUR, "allow")],
    ids=["at once", "soon", "before the end", "at the end"],
)
def test_a_block_answers_what_its_entity_does_next(after: int, action: str) -> None:
    assert actions(attack(), event(at=NOON + after)) == ["block", action]


def test_a_block_in_force_says_until_when_and_for_what() -> None:
    _, taken = answers(attack(), event(at=NOON + HOUR))

    [reason] = taken.reasons
    assert reason.code == "block_in_force"
    assert reason.text == "block in force until 2026-05-29T00:26:40.000Z, for path_traversal"
    assert taken.ttl_s == 3 * 3600
    assert (taken.rules, taken.features, taken.score) == ((), None, 0.1)


def test_a_block_in_force_stands_before_what_is_found_beside_it() -> None:
    _, taken = answers(attack(), suspicion(at=NOON + HOUR))

    assert (taken.action, taken.rules) == ("block", ("known_weakness_probe",))
    assert [reason.code for reason in taken.reasons] == ["block_in_force", WHY.code]


def test_others_and_what_came_before_are_not_touched() -> None:
    assert actions(event(), event(B), attack(), event(B)) == ["allow", "allow", "block", "allow"]


def test_an_event_that_is_blocked_by_itself_gives_its_own_reasons_alone() -> None:
    first, second = answers(attack(), attack(at=NOON + HOUR))

    assert first.reasons == second.reasons == (WHY,)
    assert first.ttl_s == second.ttl_s == 4 * 3600


def test_only_a_finding_extends() -> None:
    ordinary = [event(at=NOON + hour * HOUR) for hour in (1, 2, 3, 4)]

    assert actions(attack(), *ordinary) == ["block"] * 4 + ["allow"]
    assert actions(attack(), attack(at=NOON + HOUR), ordinary[3]) == ["block"] * 3


def test_milder_actions_do_not_hold() -> None:
    assert actions(suspicion(), event(at=NOON + 1)) == ["challenge", "allow"]


def test_a_policy_may_hold_milder_actions_too() -> None:
    holding = regime(policy=replace(PACK.policy, holds=Action.CHALLENGE))
    taken = answers(suspicion(), event(at=NOON + HOUR - 1), event(at=NOON + HOUR), regime=holding)

    assert [each.action for each in taken] == ["challenge", "challenge", "allow"]
    assert taken[1].reasons[0].code == "challenge_in_force"
    assert taken[1].ttl_s == 1


def test_a_policy_may_hold_nothing() -> None:
    alone = regime(policy=replace(PACK.policy, holds=None))
    decisions = Decisions()
    decisions.regime = alone
    decisions.send(attack(), event(at=NOON + 1))
    decisions.run()

    assert [each.action for each in decisions.taken()] == ["block", "allow"]
    assert decisions.store.states == {}


def test_the_second_strike_holds_twice_as_long_and_says_so() -> None:
    again = NOON + 5 * HOUR
    _, second, third = answers(attack(), attack(at=again), event(at=again + 8 * HOUR - SECOND))

    assert second.ttl_s == 8 * 3600
    assert (third.action, third.ttl_s) == ("block", 1)
    assert third.reasons[0].text.endswith(", for path_traversal, strike 2")


def test_strikes_are_forgotten_a_week_after_the_block() -> None:
    forgotten = NOON + 4 * HOUR + 7 * DAY

    assert answers(attack(), attack(at=forgotten - 1))[1].ttl_s == 8 * 3600
    assert answers(attack(), attack(at=forgotten))[1].ttl_s == 4 * 3600


@pytest.mark.parametrize("outcome", ["duplicate", "late", "dead"])
def test_what_is_not_decided_neither_blocks_nor_is_blocked(outcome: str) -> None:
    other = ScoredEvent("other", outcome, A, event().occurred_at, error="why")  # type: ignore[arg-type]  # one of the literals

    taken = answers(
        other, attack(), other, event(at=NOON + 4 * HOUR - 1), event(at=NOON + 4 * HOUR)
    )

    assert [each.action for each in taken] == [None, "block", None, "block", "allow"]
    assert taken[0].outcome == taken[2].outcome == outcome
    assert (taken[2].reasons, taken[2].ttl_s) == ((), None)


def test_a_decided_event_without_a_time_is_judged_by_itself() -> None:
    timeless = with_fields(event(), occurred_at="")

    assert actions(attack(), timeless, with_fields(attack(B), occurred_at=""), event(B)) == [
        "block",
        "allow",
        "block",
        "allow",
    ]


def test_an_allow_entry_lets_through_what_would_be_blocked_and_says_why() -> None:
    [taken] = answers(attack(), regime=regime(allow(RANGE, note="our scanner")))

    assert (taken.action, taken.ttl_s) == ("allow", None)
    assert [reason.code for reason in taken.reasons] == ["on_allow_list", TRAVERSAL]
    assert taken.reasons[0].text == f"on the allow list: {RANGE} (our scanner)"
    assert taken.rules == (TRAVERSAL,)


def test_an_allow_entry_clears_the_block_and_its_strikes() -> None:
    decisions = Decisions()
    decisions.send(attack())
    decisions.run()
    decisions.regime = regime(allow())
    decisions.send(event(at=NOON + HOUR))
    decisions.run()
    decisions.regime = regime()
    decisions.send(event(at=NOON + 2 * HOUR), attack(at=NOON + 3 * HOUR))
    decisions.run()

    assert [taken.action for taken in decisions.taken()] == ["block", "allow", "allow", "block"]
    assert decisions.taken()[3].ttl_s == 4 * 3600


def test_an_allow_entry_that_came_and_went_unseen_has_cleared_too() -> None:
    removed = Entry("cleared", RANGE, NOON + HOUR, NOON + HOUR)
    _, cleared, again, held = answers(
        attack(),
        event(at=NOON + 2 * HOUR),
        attack(at=NOON + 3 * HOUR),
        event(at=NOON + 4 * HOUR),
        regime=regime(removed),
    )

    assert [cleared.action, again.action, held.action] == ["allow", "block", "block"]
    assert again.ttl_s == 4 * 3600


def test_an_attack_while_allowed_is_not_held_against_anybody_later() -> None:
    until = NOON + HOUR
    taken = answers(attack(), event(at=until - 1), event(at=until), regime=regime(allow(A, until)))

    assert [each.action for each in taken] == ["allow", "allow", "allow"]


def test_a_deny_entry_blocks_and_says_why_and_until_when() -> None:
    until = NOON + HOUR
    entry = deny(RANGE, until, "abuse report 7")
    taken = answers(event(), event(at=until), regime=regime(entry))

    assert [each.action for each in taken] == ["block", "allow"]
    [reason] = taken[0].reasons
    assert reason.code == "on_deny_list"
    assert (
        reason.text == f"on the deny list: {RANGE} until 2026-05-28T21:26:40.000Z (abuse report 7)"
    )
    assert taken[0].ttl_s == 3600


def test_an_endless_deny_entry_is_answered_with_the_policys_time_to_live() -> None:
    assert answers(event(), regime=regime(deny()))[0].ttl_s == 4 * 3600


def test_a_deny_entry_is_no_strike() -> None:
    decisions = Decisions()
    decisions.regime = regime(deny())
    decisions.send(event())
    decisions.run()
    decisions.regime = regime()
    decisions.send(event(at=NOON + 1), attack(at=NOON + 2))
    decisions.run()

    assert [taken.action for taken in decisions.taken()] == ["block", "allow", "block"]
    assert decisions.taken()[2].ttl_s == 4 * 3600


def test_a_finding_of_a_denied_entity_is_remembered() -> None:
    until = NOON + HOUR
    denied, after = answers(attack(), event(at=until), regime=regime(deny(A, until)))

    assert [reason.code for reason in denied.reasons] == ["on_deny_list", TRAVERSAL]
    assert denied.ttl_s == 4 * 3600
    assert after.action == "block"


def test_a_denied_and_blocked_entity_hears_both() -> None:
    _, taken = answers(attack(), event(at=NOON + HOUR), regime=regime(deny()))

    assert [reason.code for reason in taken.reasons] == ["on_deny_list", "block_in_force"]
    assert taken.ttl_s == 4 * 3600


def test_an_allowed_hole_in_a_denied_range() -> None:
    taken = answers(event(A), event(B), regime=regime(deny(RANGE), allow(B)))

    assert [each.action for each in taken] == ["block", "allow"]


def test_every_answer_names_the_policy_and_the_lists() -> None:
    listed = regime(deny(B), revision=12)

    assert {taken.policy for taken in answers(event(), event(B), attack(), regime=listed)} == {
        f"{PACK.policy.version}+lists.12"
    }


def test_an_action_by_a_changed_threshold_has_a_reason_too() -> None:
    lowered = regime(policy=replace(PACK.policy, by_score={Action.ALERT: 0.1}))
    [taken] = answers(event(), regime=lowered)

    assert (taken.action, [reason.code for reason in taken.reasons]) == ("alert", ["score"])


def test_partitions_stand_alone() -> None:
    decisions = Decisions(partitions=2)
    decisions.send(attack(A), partition=0)
    decisions.send(event(A), event(B), partition=1)
    decisions.send(event(A), event(B), partition=0)
    decisions.run()

    assert [taken.action for taken in decisions.taken(0)] == ["block", "block", "allow"]
    assert [taken.action for taken in decisions.taken(1)] == ["allow", "allow"]
