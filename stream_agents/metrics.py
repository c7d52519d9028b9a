"""What a stage tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from stream_agents.stage import Folded

BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class StageMetrics:
    """Counters of one stage of one pack.

    Args:
        stage: `ingestion` or `decision`.
    """

    def __init__(self, pack: str, stage: str) -> None:
        self.registry = CollectorRegistry()
        labels = {"pack": pack, "stage": stage}
        names = list(labels)
        self._labels = labels
        self._events = Counter(
            "centinela_events",
            "Events by how they ended.",
            [*names, "partition", "outcome", "action"],
            registry=self.registry,
        )
        self._alarms = Counter(
            "centinela_alarms",
            "Things that should not happen, by kind.",
            [*names, "kind"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "centinela_step_seconds",
            "Time of one step of a take.",
            [*names, "step"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._fence = Gauge(
            "centinela_fence_offset",
            "Offset of the newest record folded.",
            [*names, "partition"],
            registry=self.registry,
        )
        self._lag = Gauge(
            "centinela_lag_records",
            "Records in the log that are not folded yet.",
            [*names, "partition"],
            registry=self.registry,
        )

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = perf_counter()
        try:
            yield
        finally:
            self._seconds.labels(**self._labels, step=name).observe(perf_counter() - started)

    def alarm(self, kind: str) -> None:
        self._alarms.labels(**self._labels, kind=kind).inc()

    def folded(self, folded: Folded) -> None:
        for partition, change in folded.changes.items():
            self._fence.labels(**self._labels, partition=partition).set(change.fence.offset)
        for kind in folded.alarms:
            self.alarm(kind)
        for tally in folded.tallies:
            self._events.labels(
                **self._labels,
                partition=tally.partition,
                outcome=tally.outcome.value,
                action=tally.action,
            ).inc(tally.events)

    def lag(self, partition: int, records: int) -> None:
        self._lag.labels(**self._labels, partition=partition).set(records)
