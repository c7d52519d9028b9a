"""What the rules and the policy come to together; each rule alone: tests/contract/test_rules.py."""

from __future__ import annotations

import numpy as np

from models.contracts import Action
from models.judging import judge
from models.packs.access import PACK
from tests.unit.models.packs.access.judging import CHAMPION, fired, folded, request


def test_an_attack_in_the_first_request_is_blocked() -> None:
    attack = request("/../../etc/passwd?id=1%27%20OR%201=1--", status=404, agent="sqlmap/1.7")
    columns, feature = folded([attack])
    _, found = judge(PACK, CHAMPION, feature, columns)
    severity = (found * [int(rule.severity) for rule in PACK.rules]).max(axis=1)

    assert PACK.policy.actions(np.zeros(1), severity).tolist() == [Action.BLOCK]
    assert {"sql_injection", "path_traversal", "scanner_agent"} <= fired([attack])


def test_a_score_alone_never_blocks() -> None:
    actions = PACK.policy.actions(np.array([0.5, 0.97, 0.99, 1.0]), np.zeros(4, np.int64))

    assert actions.tolist() == [Action.ALLOW, Action.ALERT, Action.CHALLENGE, Action.CHALLENGE]
