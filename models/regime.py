"""What is in force beside a pack's code: its policy, and its lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import msgspec

from models.contracts import Action, Severity
from models.durations import duration, written
from models.errors import InvalidPolicy
from models.lists import NO_LISTS, Lists
from models.policy import Escalation, Policy

ActionName = Literal["alert", "challenge", "block"]
SeverityName = Literal["low", "medium", "high", "critical"]


@dataclass(frozen=True, slots=True)
class Regime:
    """The policy and the lists in force at one moment."""

    policy: Policy
    lists: Lists = NO_LISTS

    @property
    def version(self) -> str:
        """Stamped on every action: `access-1`, or `access-1+policy.2+lists.12`."""
        if not self.lists.revision:
            return self.policy.version
        return f"{self.policy.version}+lists.{self.lists.revision}"


class GrowthFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How holding grows: as `Escalation`, with durations such as `7d`."""

    factor: int | None = None
    longest: str | None = None
    forgotten_after: str | None = None


class PolicyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What may be changed about a pack's policy without a release.

    A table that is given replaces the pack's; one that is absent leaves it as it is.

    Args:
        score: Action to the least score that earns it.
        severity: Severity of a fired rule to its action.
        ttl: Action to how long it holds: `10m`, `4h`, `7d`.
        holds: `block`, `challenge`, `alert`, or `none`; as `Policy.holds`.
        escalation: Of what holds; what is absent stays.
        fail_mode: `allow`, `alert`, `challenge` or `block`; as `Policy.fail_mode`.
    """

    score: dict[ActionName, float] | None = None
    severity: dict[SeverityName, ActionName] | None = None
    ttl: dict[ActionName, str] | None = None
    holds: Literal["none", "alert", "challenge", "block"] | None = None
    escalation: GrowthFile | None = None
    fail_mode: Literal["allow", "alert", "challenge", "block"] | None = None

    def applied_to(self, policy: Policy, version: str) -> Policy:
        """The pack's policy with the changes of this file, under a version of its own.

        Raises:
            InvalidPolicy: What comes out breaks a rule; the message names it.
        """
        score, severity, ttl = self.score, self.severity, self.ttl
        try:
            return Policy(
                version,
                policy.by_score if score is None else _by_action(score),
                policy.by_severity if severity is None else _by_severity(severity),
                policy.ttl if ttl is None else _by_action(_durations("ttl", ttl)),
                policy.holds if self.holds is None else _holding(self.holds),
                self._escalation(policy.escalation),
                policy.fail_mode if self.fail_mode is None else Action[self.fail_mode.upper()],
            )
        except ValueError as error:
            raise InvalidPolicy(f"policy {version}: {error}") from None

    def _escalation(self, growth: Escalation) -> Escalation:
        if self.escalation is None:
            return growth
        given = msgspec.structs.asdict(self.escalation)
        known: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        lengths = {name: text for name, text in known.items() if name != "factor"}
        known |= _durations("escalation", lengths)
        return Escalation(**({name: getattr(growth, name) for name in given} | known))


def policy_file(given: object) -> PolicyFile:
    """The file behind decoded TOML or JSON.

    Raises:
        InvalidPolicy: An unknown field, an unknown action or a wrong type.
    """
    try:
        return msgspec.convert(given, PolicyFile)
    except msgspec.ValidationError as error:
        raise InvalidPolicy(f"policy: {error}") from None


def file_of(policy: Policy) -> PolicyFile:
    """A policy as a file that says all of it."""
    growth = policy.escalation
    return PolicyFile(
        {_name(action): least for action, least in policy.by_score.items()},
        {severity.name.lower(): _name(a) for severity, a in policy.by_severity.items()},  # type: ignore[misc]  # the names of Severity are the literals
        {_name(action): written(length) for action, length in policy.ttl.items()},
        "none" if policy.holds is None else _name(policy.holds),
        GrowthFile(growth.factor, written(growth.longest), written(growth.forgotten_after)),
        policy.fail_mode.name.lower(),  # type: ignore[arg-type]  # the names are the literals
    )


def _name(action: Action) -> ActionName:
    return action.name.lower()  # type: ignore[return-value]  # nothing else earns or holds


def _by_action(table: Mapping[ActionName, Any]) -> dict[Action, Any]:
    return {Action[name.upper()]: value for name, value in table.items()}


def _by_severity(table: Mapping[SeverityName, ActionName]) -> dict[Severity, Action]:
    return {Severity[name.upper()]: Action[action.upper()] for name, action in table.items()}


def _holding(name: str) -> Action | None:
    return None if name == "none" else Action[name.upper()]


def _durations(table: str, texts: Mapping[Any, str]) -> dict[Any, timedelta]:
    """The lengths of a table, by its keys; the error names the key."""
    lengths = {}
    for name, text in texts.items():
        try:
            lengths[name] = duration(text)
        except ValueError as error:
            raise ValueError(f"{table}.{name} {error}") from None
    return lengths
