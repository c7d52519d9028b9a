"""Why an event is not simply allowed: the rules that fired, and what is unlike the usual."""

from __future__ import annotations

import numpy as np

from feature_store.columns import Floats, Mask
from feature_store.definitions import Aggregate, FeatureSet, WindowFeature, short
from models.artifacts import Champion, Statistics
from models.contracts import Reason
from models.pack import DomainPack
from models.rules import Rule

MOST_FEATURES = 3
UNUSUAL_TOGETHER = Reason("unusual_together", "no one feature stands out, but together they do")

WORDS = {
    Aggregate.COUNT: "{what}",
    Aggregate.DISTINCT: "different {what}",
    Aggregate.SHARE: "share of {what}",
    Aggregate.SUM: "sum of {what}",
    Aggregate.MEAN: "mean {what}",
    Aggregate.STD: "spread of {what}",
    Aggregate.MIN: "least {what}",
    Aggregate.MAX: "largest {what}",
}


class Explainer:
    """Finds the reasons for events that may need an action; made once for a pack and its model."""

    def __init__(self, pack: DomainPack, champion: Champion) -> None:
        self._rules = pack.rules
        self._names = pack.features.names
        self._words = [words(pack.features, feature) for feature in pack.features.features]
        self._usual = [champion.usual(name) for name in self._names]
        self._p99 = np.array([usual.p99 if usual else np.inf for usual in self._usual])
        self._step = np.array([_step(usual) if usual else 1.0 for usual in self._usual])

    def reasons(self, features: Floats, fired: Mask) -> tuple[Reason, ...]:
        """The rules that fired, then the features that stand out most.

        Args:
            features: The event's, `(n_features,)`; NaN is unknown.
            fired: Which rules fired, `(n_rules,)`.
        """
        rules = [self._rules[i] for i in np.flatnonzero(fired).tolist()]
        told = {rule.feature for rule in rules}
        outstanding = [i for i in self._outstanding(features) if self._names[i] not in told]
        reasons = [self._of_rule(rule, features) for rule in rules]
        reasons += [self._of_feature(i, features) for i in outstanding]
        return tuple(reasons) or (UNUSUAL_TOGETHER,)

    def _outstanding(self, features: Floats) -> list[int]:
        """The features above their 99th percentile, by how many steps from the median to there."""
        above = (features - self._p99) / self._step
        high = (above > 0).nonzero()[0]
        first = (-above[high]).argsort(kind="stable")[:MOST_FEATURES]
        return [int(i) for i in high[first]]

    def _of_rule(self, rule: Rule, features: Floats) -> Reason:
        if rule.feature is None:
            return Reason(rule.name, rule.text)
        quoted = self._of_feature(self._names.index(rule.feature), features)
        return Reason(rule.name, f"{rule.text}: {quoted.text}", quoted.value, quoted.usual)

    def _of_feature(self, i: int, features: Floats) -> Reason:
        value, usual = float(features[i]), self._usual[i]
        text = f"{self._words[i]}: {value:.6g}"
        if usual is None:
            return Reason(self._names[i], text, value)
        return Reason(self._names[i], f"{text}, usual {usual.median:.6g}", value, usual.median)


def words(features: FeatureSet, feature: WindowFeature) -> str:
    """A feature in words: `client_paths_distinct_10m` is `different paths in 10 min`."""
    what = feature.name.removesuffix(f"_{feature.aggregate.value}_{short(feature.over)}")
    noun = what.removeprefix(f"{features.entity}_").replace("_", " ")
    window = short(feature.over)
    amount, unit = window[:-1], {"s": "s", "m": "min", "h": "h", "d": "days"}[window[-1]]
    return f"{WORDS[feature.aggregate].format(what=noun)} in {amount} {unit}"


def _step(usual: Statistics) -> float:
    """From the median to the 99th percentile, or a trifle where they are the same."""
    return max(usual.p99 - usual.median, usual.max / 1_000, 1e-9)
