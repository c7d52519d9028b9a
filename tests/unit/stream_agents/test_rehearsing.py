"""Test clients: an integrator can try every answer, and nobody else is touched."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_network

import pytest

from models.contracts import Action, ScoredEvent
from models.lists import Entry
from tests.unit.stream_agents.decisions import (
    HOUR,
    NOON,
    PACK,
    A,
    Decisions,
    answers,
    attack,
    event,
    regime,
    suspicion,
)

BLOCKED, ALLOWED, LATE = "203.0.113.250", "203.0.113.251", "203.0.113.252"
CANARY = "203.0.113.254"
NEIGHBOURS = ["203.0.113.249", "203.0.113.253"]


def test_the_test_clients_are_of_a_range_that_documentation_alone_uses() -> None:
    documentation = ip_network("203.0.113.0/24")  # TEST-NET-3, RFC 5737

    assert PACK.test_clients == {
        BLOCKED: "block",
        ALLOWED: "allow",
        LATE: "late",
        CANARY: "allow",
    }
    assert all(ip_address(name) in documentation for name in PACK.test_clients)


@pytest.mark.parametrize("made", [event, suspicion, attack])
@pytest.mark.parametrize(("client", "action"), [(BLOCKED, "block"), (ALLOWED, "allow")])
def test_a_test_client_is_answered_alike_whatever_it_does(
    made: Callable[[str], ScoredEvent], client: str, action: str
) -> None:
    [taken] = answers(made(client))

    assert taken.action == action
    assert taken.reasons[0].code == "test_client"
    assert taken.reasons[0].text == f"a test client: the answer is always {action}"
    assert taken.reasons[1:] == made(client).reasons
    assert taken.ttl_s == (
        PACK.policy.ttl[Action.BLOCK].total_seconds() if action == "block" else None
    )


def test_a_block_of_a_test_client_grows_no_longer() -> None:
    taken = answers(*(attack(BLOCKED, NOON + i * 5 * HOUR) for i in range(4)))

    assert len({each.ttl_s for each in taken}) == 1
    assert {each.reasons[0].code for each in taken} == {"test_client"}


@pytest.mark.parametrize("client", [LATE, *NEIGHBOURS, A])
def test_others_of_the_range_are_judged_as_anyone(client: str) -> None:
    harmless, attacking = answers(event(client), attack(client, NOON + 1))

    assert (harmless.action, attacking.action) == ("allow", "block")
    assert "test_client" not in {reason.code for reason in (*harmless.reasons, *attacking.reasons)}


@pytest.mark.parametrize(
    ("listed", "name", "client", "action"),
    [
        ("deny", "203.0.113.248/29", ALLOWED, "block"),
        ("deny", ALLOWED, ALLOWED, "block"),
        ("allow", "203.0.113.0/24", BLOCKED, "allow"),
        ("allow", BLOCKED, BLOCKED, "allow"),
    ],
)
def test_an_entry_of_the_operators_counts_more(
    listed: str, name: str, client: str, action: str
) -> None:
    entry = Entry(listed, name, NOON)  # type: ignore[arg-type]  # of two literals
    [taken] = answers(event(client), regime=regime(entry))

    assert taken.action == action
    assert taken.reasons[0].code == f"on_{listed}_list"


def test_an_entry_that_has_ended_counts_no_more() -> None:
    decisions = Decisions()
    decisions.regime = regime(Entry("deny", ALLOWED, NOON - HOUR, NOON))
    decisions.send(event(ALLOWED, NOON - 1), event(ALLOWED, NOON))
    decisions.run()

    assert [each.action for each in decisions.taken()] == ["block", "allow"]
