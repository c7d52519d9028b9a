"""An entity's standing: the action in force against it, and how often it has earned one.

The decision stage folds it from the log of decisions, in offset order. Times are event times.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from models.policy import Policy


class Standing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an entity has earned.

    Args:
        action: In force against it.
        until: The action holds for events before this time, microseconds since 1970 UTC.
        strikes: How many times it has earned one, each after the one before had ended.
        at: Time of the newest finding.
        rule: What was found; `score` where no rule was.
    """

    action: int
    until: int
    strikes: int
    at: int
    rule: str

    def is_remembered(self, policy: Policy, at: int) -> bool:
        return at < self.until + policy.forgotten_after_us


def after_finding(
    policy: Policy, before: Standing | None, action: int, at: int, rule: str
) -> Standing:
    """The standing after an event that earns an action by itself.

    While an action is in force, a finding that earns the same extends it by the time to live that
    it has, and never shortens it; one that earns a stricter action replaces it; one that earns a
    milder action changes nothing. After it has ended, the next finding is the next strike.

    Args:
        before: What is remembered of the entity.
        action: One that holds by the policy.
    """
    if before is None:
        return Standing(action, at + policy.held_us(action, 1), 1, at, rule)
    if at >= before.until:
        strikes = before.strikes + 1
        return Standing(action, at + policy.held_us(action, strikes), strikes, at, rule)
    newest = max(at, before.at)
    until = at + policy.held_us(action, before.strikes)
    if action < before.action or (action == before.action and until <= before.until):
        return before if newest == before.at else replace(before, at=newest)
    return Standing(action, until, before.strikes, newest, rule)
