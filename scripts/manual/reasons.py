"""Every reason that an answer may give, from the packs' declarations."""

from __future__ import annotations

import inspect

from models.catalog import PACKS
from models.contracts import Action, Severity
from models.pack import DomainPack
from models.policy import Policy
from models.reasons import UNUSUAL_TOGETHER, words
from models.rules import Rule
from scripts.manual.markdown import table
from stream_agents.deciding import DEGRADED, UNEXPLAINED

HEAD = """\
# Reasons

Made from the packs' declarations, by `python -m scripts.reference`. Every answer other than allow
has `reasons`, each with a `code`, a `text` for people and, where a feature is quoted, its `value`
and its `usual`, the median of the training window.

"""

OTHERS = """
## Of every pack

A reason's code is a rule, a feature, or one of these:

"""


def page() -> str:
    return HEAD + "\n".join(map(of_pack, PACKS)) + OTHERS + of_every_pack()


def of_pack(pack: DomainPack) -> str:
    columns = ("code", "severity", "earns", "says that", "when", "quotes", "reference")
    rules = table(columns, [row(rule, pack.policy) for rule in pack.rules])
    features = table(
        ("code", "quoted as"),
        [(f"`{one.name}`", words(pack.features, one)) for one in pack.features.features],
    )
    return (
        f"## {pack.name}: rules\n\nIn the order in which they are given; policy"
        f" `{pack.policy.version}`.\n\n{rules}\n"
        f"## {pack.name}: features\n\nA feature is a reason where it is above the 99th percentile"
        f" of the training window, at most three of an event.\n\n{features}"
    )


def row(rule: Rule, policy: Policy) -> tuple[str, ...]:
    quotes = f"`{rule.feature}`" if rule.feature else ""
    return (
        f"`{rule.name}`",
        rule.severity.name.lower(),
        earns(rule.severity, policy),
        rule.text,
        inspect.getdoc(rule.fires) or "",
        "the loudest part of the request" if rule.quotes else quotes,
        rule.reference,
    )


def earns(severity: Severity, policy: Policy) -> str:
    earned = [action for level, action in policy.by_severity.items() if severity >= level]
    return max(earned, default=Action.ALLOW).name.lower()


def of_every_pack() -> str:
    [score] = UNEXPLAINED
    told = {
        UNUSUAL_TOGETHER.code: UNUSUAL_TOGETHER.text,
        score.code: score.text,
        "on_allow_list": "the client is on the allow list, so it is let through",
        "on_deny_list": "the client is on the deny list, so it is blocked",
        DEGRADED: "less was known than should be, so the policy's `fail_mode` is the least that is "
        "answered",
        "test_client": "the client is one of the pack's test clients, which are always answered "
        "alike",
    }
    held = [action.name.lower() for action in Action if action > Action.ALLOW]
    told |= {f"{name}_in_force": f"{name} was earned before, and still holds" for name in held}
    return table(("code", "means that"), [(f"`{code}`", text) for code, text in told.items()])
