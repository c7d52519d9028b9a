"""Changes to a policy, as files say them; and what names the regime."""

from __future__ import annotations

import tomllib
from datetime import timedelta
from typing import Any

import pytest

from models.catalog import PACKS, pack_named
from models.contracts import Action, Severity
from models.errors import InvalidPolicy
from models.lists import Entry, Lists
from models.pack import DomainPack
from models.policy import Escalation, Policy
from models.regime import PolicyFile, Regime, file_of, policy_file

ACCESS = pack_named("access").policy


def changed(text: str) -> Policy:
    """The access pack's policy after a TOML file."""
    return policy_file(tomllib.loads(text)).applied_to(ACCESS, "p-2")


def test_a_table_that_is_given_replaces_the_packs_and_the_others_stay() -> None:
    policy = changed("[score]\nchallenge = 0.9")

    assert policy.by_score == {Action.CHALLENGE: 0.9}
    assert (policy.by_severity, policy.ttl) == (ACCESS.by_severity, ACCESS.ttl)
    assert (policy.holds, policy.escalation) == (ACCESS.holds, ACCESS.escalation)
    assert policy.version == "p-2"


def test_every_table_can_be_changed() -> None:
    policy = changed(
        """
        holds = "challenge"
        score = {alert = 1}
        severity = {low = "alert", critical = "block"}
        ttl = {alert = "90s", challenge = "1h30m", block = "2d"}
        escalation = {factor = 3, longest = "20d"}
        """
    )

    assert policy == Policy(
        "p-2",
        {Action.ALERT: 1.0},
        {Severity.LOW: Action.ALERT, Severity.CRITICAL: Action.BLOCK},
        {
            Action.ALERT: timedelta(seconds=90),
            Action.CHALLENGE: timedelta(minutes=90),
            Action.BLOCK: timedelta(days=2),
        },
        Action.CHALLENGE,
        Escalation(3, timedelta(days=20), ACCESS.escalation.forgotten_after),
    )


def test_nothing_may_hold() -> None:
    assert changed('holds = "none"').holds is None


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("scores = {}", "unknown field `scores`"),
        ("[escalation]\nlongst = '7d'", "unknown field `longst` - at `$.escalation`"),
        ("[score]\nblok = 0.9", "Invalid enum value 'blok' - at `key` in `$.score`"),
        ("[score]\nallow = 0.9", "Invalid enum value 'allow'"),
        ("[score]\nalert = '0.9'", "Expected `float`, got `str` - at `$.score[...]`"),
        ("[score]\nalert = 1.7", "the score for alert must be in [0, 1], got 1.7"),
        ("[score]\nalert = nan", "the score for alert must be in [0, 1], got nan"),
        ("[severity]\nhigh = 'ban'", "Invalid enum value 'ban'"),
        ("[ttl]\nalert = '10m'", "a block must have a time to live"),
        ("[ttl]\nblock = '4'", "ttl.block must be a duration such as 90s"),
        ("[ttl]\nblock = 4", "Expected `str`, got `int`"),
        ("[escalation]\nlongest = 'long'", "escalation.longest must be a duration"),
        ("[escalation]\nfactor = 0", "the escalation's factor must be >= 1, got 0"),
        ("[escalation]\nfactor = 1.5", "Expected `int | null`, got `float`"),
        ("holds = 'allow'", "Invalid enum value 'allow' - at `$.holds`"),
    ],
)
def test_a_bad_file_is_refused_with_the_rule_that_it_breaks(text: str, rule: str) -> None:
    with pytest.raises(InvalidPolicy) as refused:
        changed(text)

    assert rule in str(refused.value)


@pytest.mark.parametrize("given", [[], "policy", 7, None])
def test_what_is_no_table_is_no_policy(given: Any) -> None:
    with pytest.raises(InvalidPolicy, match="policy: Expected `object`"):
        policy_file(given)


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.name)
def test_a_policy_written_out_is_the_same_policy(pack: DomainPack) -> None:
    policy = pack.policy

    assert file_of(policy).applied_to(policy, policy.version) == policy


def test_an_empty_file_changes_only_the_version() -> None:
    assert PolicyFile().applied_to(ACCESS, ACCESS.version) == ACCESS


@pytest.mark.parametrize(
    ("lists", "version"),
    [
        (Lists(), "access-9"),
        (Lists(12, [Entry("allow", "203.0.113.7", 0)]), "access-9+lists.12"),
        (Lists(13), "access-9+lists.13"),
    ],
    ids=["never listed", "listed", "all removed"],
)
def test_the_version_tells_every_state_of_the_lists(lists: Lists, version: str) -> None:
    policy = PolicyFile().applied_to(ACCESS, "access-9")

    assert Regime(policy, lists).version == version
