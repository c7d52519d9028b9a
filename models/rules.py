"""Rules: named claims over columns, so that one line judges an event, a chunk or a year."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from feature_store.columns import Columns, Mask
from models.contracts import Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """A finding that people can read, and the claim behind it.

    Args:
        name: The reason code: `login_bruteforce`.
        text: The reason in words.
        severity: Mapped to an action by the policy.
        fires: `(event, feature) -> mask`; a comparison with an unknown (NaN) is false.
        reference: Where the idea is explained, such as a CWE or an ATT&CK technique.
        feature: The feature whose value the reason quotes; None for a rule over text.
        quotes: Whether the reason quotes what the text model finds loudest.
    """

    name: str
    text: str
    severity: Severity
    fires: Callable[[Columns, Columns], Mask]
    reference: str = ""
    feature: str | None = None
    quotes: bool = False


def fire(rules: Sequence[Rule], event: Columns, feature: Columns) -> Mask:
    """Which rules fired on which events, `(n_events, n_rules)`."""
    fired = np.empty((len(rules), len(event)), np.bool_)
    for i, rule in enumerate(rules):
        fired[i] = rule.fires(event, feature)
    return fired.T
