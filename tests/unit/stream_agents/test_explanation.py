"""What an explanation says of an answer, and what it leaves out where others judge now."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from feature_store.columns import Columns
from models.contracts import ActionTaken, Reason
from stream_agents.explained import FiredRule
from stream_agents.explanation import Answered, Judges, explain
from tests.unit.stream_agents.pipeline import CHAMPION, PACK, attack

JUDGES = Judges(PACK, CHAMPION, PACK.policy)
LINE = attack(event_id="a")
FEATURES = {"client_requests_count_1m": 340.0, "client_errors_share_10m": 0.0}
NAMES = PACK.features.names


def score_of(features: dict[str, float]) -> float:
    row = np.array([[features.get(name, np.nan) for name in NAMES]])
    event = PACK.columns([msgspec.json.decode(LINE, type=PACK.event)])
    return float(np.round(CHAMPION.score(Columns.of_matrix(NAMES, row), event), 6)[0])


BLOCKED = ActionTaken(
    "a",
    "decided",
    "block",
    "198.51.100.7",
    "2026-03-01T12:00:00.5+01:00",
    score_of(FEATURES),
    14_400,
    ("path_traversal", "login_bruteforce"),
    (
        Reason("path_traversal", "climbs"),
        Reason("login_bruteforce", "tries again: logins in 1 h: 40, usual 0", 40.0, 0.0),
        Reason("client_requests_count_1m", "requests in 1 min: 340, usual 4", 340.0, 4.0),
    ),
    FEATURES,
    CHAMPION.version,
    PACK.policy.version,
)


def test_rules_come_with_their_text_severity_and_reference() -> None:
    found = explain(Answered(BLOCKED, "kept"), JUDGES)

    assert found.rules == (
        FiredRule("path_traversal", "climbs", "high", "CWE-22, CAPEC-126"),
        FiredRule(
            "login_bruteforce",
            "tries again: logins in 1 h: 40, usual 0",
            "high",
            "CWE-307, ATT&CK T1110",
        ),
    )
    assert found.rules_earn == "block"
    assert [reason.code for reason in found.reasons] == ["client_requests_count_1m"]


def test_a_rule_that_there_is_no_more_is_still_told() -> None:
    taken = replace(BLOCKED, rules=("gone",), reasons=(Reason("gone", "what it said"),))
    found = explain(Answered(taken, "kept"), JUDGES)

    assert found.rules == (FiredRule("gone", "what it said", None, ""),)
    assert found.reasons == ()


@pytest.mark.parametrize("code", ["on_allow_list", "on_deny_list", "block_in_force"])
def test_lists_and_what_was_in_force_stand_apart(code: str) -> None:
    reason = Reason(code, "203.0.113.0/24")
    taken = replace(BLOCKED, reasons=(reason, *BLOCKED.reasons))

    assert explain(Answered(taken, "kept"), JUDGES).lists == (reason,)


def test_every_declared_feature_is_told_with_its_window_and_its_usual() -> None:
    found = {one.name: one for one in explain(Answered(BLOCKED, "kept"), JUDGES).features}
    requests, errors = (found[name] for name in FEATURES)
    usual = CHAMPION.manifest.statistics[requests.name]

    assert tuple(found) == NAMES
    assert (requests.value, requests.text) == (340.0, "requests in 1 min")
    assert (requests.median, requests.p99) == (usual.median, usual.p99)
    assert (requests.after, requests.until) == (
        "2026-03-01T10:59:00.500Z",
        "2026-03-01T11:00:00.500Z",
    )
    assert errors.after == "2026-03-01T10:50:00.500Z"
    assert errors.value == 0.0
    assert found["client_gap_mean_1h"].value is None


def test_the_score_stands_beside_the_thresholds_and_what_it_is_made_of() -> None:
    score = explain(Answered(BLOCKED, "kept", line=LINE), JUDGES).score

    by_name = {action.name.lower(): least for action, least in PACK.policy.by_score.items()}
    assert score.value == BLOCKED.score
    assert score.thresholds == by_name
    assert score.earns == "allow"
    assert "client_requests_count_1m" in {one.feature for one in score.contributions}


def test_without_the_event_the_contributions_are_not_guessed() -> None:
    found = explain(Answered(BLOCKED, "kept", missing="retention has removed it"), JUDGES)

    assert found.score.contributions == ()
    assert (found.event.fields, found.event.missing) == (None, "retention has removed it")


def test_an_unlike_model_is_named_and_nothing_of_it_is_told() -> None:
    taken = replace(BLOCKED, model="access-older")
    found = explain(Answered(taken, "kept", line=LINE), JUDGES)

    assert found.notes == (
        f"judged by model access-older, but {CHAMPION.version} is loaded:"
        " usual values and contributions are left out",
    )
    assert found.score.contributions == ()
    assert {(one.median, one.p99) for one in found.features} == {(None, None)}
    assert found.features[0].value == 340.0


def test_the_event_is_told_in_numbers_and_without_the_text_model_where_that_was_another() -> None:
    traits = explain(Answered(BLOCKED, "kept", line=LINE), JUDGES).event.traits
    older = explain(Answered(replace(BLOCKED, model="access-older"), "kept", line=LINE), JUDGES)
    dead = explain(Answered(ActionTaken("a", "dead"), "kept", line=b"{"), JUDGES)

    assert set(traits) == set(PACK.traits)
    assert set(older.event.traits) == set(PACK.traits) - {"payload_score"}
    assert dead.event.traits == {}


def test_without_a_model_the_rest_is_told() -> None:
    found = explain(Answered(BLOCKED, "kept", line=LINE), Judges(PACK, None, PACK.policy))

    assert "but none is loaded" in found.notes[0]
    assert found.rules_earn == "block"


@pytest.mark.parametrize(
    ("version", "is_known"),
    [
        (PACK.policy.version, True),
        (f"{PACK.policy.version}+lists.12", True),
        (f"{PACK.policy.version}+policy.2+lists.12", False),
        ("access-0", False),
    ],
)
def test_thresholds_are_those_of_the_policy_that_decided(version: str, is_known: bool) -> None:
    found = explain(Answered(replace(BLOCKED, policy=version), "kept"), JUDGES)

    assert (found.score.thresholds is not None) == is_known
    assert (found.rules_earn is not None) == is_known
    assert any(f"policy {version}, but" in note for note in found.notes) != is_known


def test_a_score_that_does_not_come_out_again_is_doubted() -> None:
    taken = replace(BLOCKED, score=0.123)
    found = explain(Answered(taken, "kept", line=LINE), JUDGES)

    assert found.notes == (f"the score comes out as {BLOCKED.score} now",)
    assert explain(Answered(BLOCKED, "kept", line=LINE), JUDGES).notes == ()


def test_features_of_an_older_declaration_are_named() -> None:
    taken = replace(BLOCKED, features={**FEATURES, "client_moods_mean_1h": 1.0})

    [note, *_] = explain(Answered(taken, "kept"), JUDGES).notes
    assert note == "not declared any more, and left out: client_moods_mean_1h"


def test_an_answer_without_features_says_so() -> None:
    found = explain(Answered(replace(BLOCKED, features=None), "kept", line=LINE), JUDGES)

    assert found.notes == ("the answer carries no features",)
    assert found.features == ()


@pytest.mark.parametrize("outcome", ["duplicate", "late", "dead"])
def test_what_was_not_decided_has_no_score_to_explain(outcome: str) -> None:
    taken = msgspec.convert(
        {"event_id": "a", "outcome": outcome, "error": "why", "duplicate_of": "b"}, ActionTaken
    )
    found = explain(Answered(taken, "actions", line=b"\xff"), JUDGES)

    assert (found.answer.outcome, found.answer.error, found.answer.duplicate_of) == (
        outcome,
        "why",
        "b",
    )
    assert (found.score.value, found.score.thresholds, found.notes) == (None, None, ())
    assert found.event.fields == {"unreadable": "�"}
