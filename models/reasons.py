"""Why an event is not simply allowed: the rules that fired, and what is unlike the usual."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from feature_store.columns import Columns, Floats, Ints, Mask
from feature_store.definitions import Aggregate, FeatureSet, WindowFeature, short
from models.artifacts import Champion, Statistics
from models.contracts import Reason
from models.pack import DomainPack
from models.rules import Rule
from models.text_model import loudest_quotes

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
        self._text = (pack.text, champion.text) if pack.text and champion.text else None
        self._quotes = np.array([rule.quotes for rule in pack.rules], np.bool_)
        self._names = pack.features.names
        self._usual = [champion.usual(name) for name in self._names]
        self._told = [
            (f"{words(pack.features, feature)}: ", f", usual {usual.median:.6g}" if usual else "")
            for feature, usual in zip(pack.features.features, self._usual, strict=True)
        ]
        self._p99 = np.array([usual.p99 if usual else np.inf for usual in self._usual])
        self._step = np.array([_step(usual) if usual else 1.0 for usual in self._usual])

    def reasons(
        self, features: Floats, fired: Mask, event: Columns, rows: Ints
    ) -> list[tuple[Reason, ...]]:
        """For some events the rules that fired, then the features that stand out most."""
        known = features[rows]
        explained = self.explained(known, known.tolist(), fired, event, rows)
        return [reasons for _, reasons in explained]

    def explained(
        self, features: Floats, values: list[list[float]], fired: Mask, event: Columns, rows: Ints
    ) -> list[tuple[tuple[str, ...], tuple[Reason, ...]]]:
        """For some events the names of the rules that fired, and the reasons.

        Args:
            features: Of those to explain, `(n_explained, n_features)`; NaN is unknown.
            values: The same as lists.
            fired: Which rules fired in the whole chunk, `(n_events, n_rules)`.
            event: The events of the chunk.
            rows: Places of those to explain, `(n_explained,)`.
        """
        outstanding = self._outstanding(features)
        quotes = self._quoted(fired, event, rows)
        explained = zip(rows.tolist(), values, places(fired[rows]), outstanding, strict=True)
        return [
            (
                tuple([self._rules[i].name for i in which]),
                self._of_event(known, which, others, quotes.get(row, "")),
            )
            for row, known, which, others in explained
        ]

    def _of_event(
        self, values: list[float], fired: list[int], outstanding: list[int], quote: str
    ) -> tuple[Reason, ...]:
        if not fired:
            return tuple([self._of_feature(i, values) for i in outstanding]) or (UNUSUAL_TOGETHER,)
        rules = [self._rules[i] for i in fired]
        told = {rule.feature for rule in rules}
        reasons = [self._of_rule(rule, values, quote) for rule in rules]
        reasons += [self._of_feature(i, values) for i in outstanding if self._names[i] not in told]
        return tuple(reasons)

    def _quoted(self, fired: Mask, event: Columns, rows: Ints) -> dict[int, str]:
        """By place, what the text model finds loudest, where a rule's reason quotes it."""
        quoting = rows[fired[np.ix_(rows, self._quotes)].any(axis=1)]
        if self._text is None or not len(quoting):
            return {}
        column, model = self._text
        quotes = loudest_quotes(getattr(event, column), quoting, model)
        return dict(zip(quoting.tolist(), quotes, strict=True))

    def _outstanding(self, features: Floats) -> list[list[int]]:
        """The features above their 99th percentile, by how many steps from the median to there."""
        above = (features - self._p99) / self._step
        above[~(above > 0)] = 0.0
        first = np.argsort(-above, axis=1, kind="stable")[:, :MOST_FEATURES]
        is_above = np.take_along_axis(above, first, axis=1) > 0
        rows = zip(first.tolist(), is_above.sum(axis=1).tolist(), strict=True)
        return [row[:count] for row, count in rows]

    def _of_rule(self, rule: Rule, values: list[float], quote: str) -> Reason:
        if rule.quotes and quote:
            return Reason(rule.name, f"{rule.text}: {quote}")
        if rule.feature is None:
            return Reason(rule.name, rule.text)
        quoted = self._of_feature(self._names.index(rule.feature), values)
        return Reason(rule.name, f"{rule.text}: {quoted.text}", quoted.value, quoted.usual)

    def _of_feature(self, i: int, values: list[float]) -> Reason:
        value, usual = values[i], self._usual[i]
        said, compared = self._told[i]
        median = usual.median if usual else None
        return Reason(self._names[i], f"{said}{value:.6g}{compared}", value, median)


def places(mask: Mask) -> list[list[int]]:
    """Which columns hold in each row of a mask `(n, m)`."""
    rows, columns = np.nonzero(mask)
    bounds = np.searchsorted(rows, np.arange(len(mask) + 1)).tolist()
    found = columns.tolist()
    return [found[first:end] for first, end in pairwise(bounds)]


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
