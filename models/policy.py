"""The policy: from a score and the rules that fired to one action with a time to live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from models.contracts import Action, Severity


@dataclass(frozen=True, slots=True)
class Policy:
    """Thresholds of a pack, versioned with its model.

    Args:
        version: Stamped on every action.
        by_score: Action to the least score that earns it.
        by_severity: Severity of a fired rule to its action.
        ttl: Action to how long it holds; a block must have one.
    """

    version: str
    by_score: Mapping[Action, float]
    by_severity: Mapping[Severity, Action]
    ttl: Mapping[Action, timedelta]

    def __post_init__(self) -> None:
        if Action.BLOCK not in self.ttl:
            raise ValueError(f"policy {self.version}: a block must have a time to live")

    def actions(self, score: NDArray[np.float64], severity: NDArray[np.int64]) -> NDArray[np.int64]:
        """The action of each event, `(n_events,)`.

        Args:
            score: In [0, 1]; NaN earns nothing.
            severity: The highest severity among the rules that fired, 0 for none.
        """
        chosen = np.zeros(len(score), np.int64)
        for action, least in self.by_score.items():
            chosen = np.where(score >= least, np.maximum(chosen, action), chosen)
        for level, action in self.by_severity.items():
            chosen = np.where(severity >= level, np.maximum(chosen, action), chosen)
        return chosen
