"""Collectors of our own, for what the client's counters, gauges and histograms cannot say.

They are collected by another thread than the one that changes what they show: whatever they read
is replaced as a whole, never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

Labels = Mapping[str, str]


class PartitionGauge(Collector):
    """A figure of each partition owned now; of one that has left, nothing is said any more.

    Args:
        figures: Partition to its figure.
    """

    def __init__(
        self,
        name: str,
        words: str,
        labels: Labels,
        figures: Callable[[], Mapping[int, float]],
        registry: CollectorRegistry,
    ) -> None:
        self._name, self._words, self._labels = name, words, labels
        self._figures = figures
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        names = [*self._labels, "partition"]
        family = GaugeMetricFamily(self._name, self._words, labels=names)
        for partition, figure in self._figures().items():
            family.add_metric([*self._labels.values(), str(partition)], figure)
        yield family


class PartitionTotals(Collector):
    """Totals by outcome that the store remembers, and that so outlive this process.

    Args:
        totals: Partition to outcome to how many events ended so.
    """

    def __init__(
        self,
        name: str,
        words: str,
        labels: Labels,
        totals: Callable[[], Mapping[int, Mapping[str, int]]],
        registry: CollectorRegistry,
    ) -> None:
        self._name, self._words, self._labels = name, words, labels
        self._totals = totals
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        names = [*self._labels, "partition", "outcome"]
        family = CounterMetricFamily(self._name, self._words, labels=names)
        for partition, outcomes in self._totals().items():
            for outcome, events in outcomes.items():
                family.add_metric([*self._labels.values(), str(partition), outcome], events)
        yield family


class EventSeconds(Collector):
    """A histogram over events of which many share one figure; the client's own takes one by one.

    Args:
        bounds: Upper bounds of the buckets in seconds, rising.
    """

    def __init__(
        self,
        name: str,
        words: str,
        labels: Labels,
        bounds: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._name, self._words, self._labels = name, words, labels
        self._bounds = bounds
        self._counted = (np.zeros(len(bounds) + 1, np.int64), 0.0)
        registry.register(self)

    def observe(self, seconds: Sequence[float], events: Sequence[int]) -> None:
        """Each figure counts for so many events."""
        counts, total = self._counted
        buckets = np.searchsorted(self._bounds, seconds)
        added = np.bincount(buckets, events, len(counts)).astype(np.int64)
        self._counted = (counts + added, total + float(np.dot(seconds, events)))

    def collect(self) -> Iterable[Metric]:
        counts, total = self._counted
        bounds = [*map(str, self._bounds), "+Inf"]
        buckets = list(zip(bounds, np.cumsum(counts).tolist(), strict=True))
        family = HistogramMetricFamily(self._name, self._words, labels=list(self._labels))
        family.add_metric(list(self._labels.values()), buckets, total)
        yield family
