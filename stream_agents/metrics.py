"""What a stage tells Prometheus. All of it is counted once a chunk or record, never once an event.

The application's names begin with `centinela_`; `process_` ones are the client library's own.
"""

from __future__ import annotations

import platform
from collections import Counter as Tallied
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter, time

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)

from feature_store.fence import Fence
from models.contracts import Outcome
from producer.records import Record
from stream_agents.accounting import dropped, lines_of_each, lines_read, sources_of
from stream_agents.collectors import EventSeconds, PartitionGauge, PartitionTotals
from stream_agents.outcomes import arrived_ms
from stream_agents.stage import Folded, Tally

VERSION = "0.1.0"
"""As in pyproject.toml; the application runs from its folder and need not be installed."""

STEP_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
LATENCY_BUCKETS = (
    *(0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5),
    *(1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0),
)

UNJUDGED = ("duplicate", "late", "dead")
"""Outcomes without an action."""

ALARMS = {
    "epoch": "the topic was deleted and made again",
    "layout": "the stored states are of another version, so the log is folded again",
    "gap": "records that were never folded are no longer in the log",
    "upstream-gap": "a record of the stage before never came",
    "ownership": "another process has written this partition, so the copy was dropped",
    "poison": "an event breaks our code and was set aside",
    "unavailable": "Kafka, Redis or PostgreSQL did not answer, or refused to write",
    "standings-full": "a shard of standings was full and forgot its oldest",
}
"""Kind to what it means. Each is exported as zero from the start, so that its first is a rise."""


def tell_process(registry: CollectorRegistry) -> None:
    """What every process of ours tells of itself: its versions, its CPU time, its memory."""
    # When each series began is told by a series of its own otherwise, and read by nobody.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the one without types
    build = Info("centinela_build", "Versions of Centinela and of Python.", registry=registry)
    build.info({"version": VERSION, "python": platform.python_version()})
    ProcessCollector(registry=registry)


@dataclass(frozen=True, slots=True)
class Held:
    """What is told of a partition that this worker owns.

    Args:
        fence: As it is committed in the store.
        moved_at_s: Unix time of the last commit, or of taking over.
    """

    fence: Fence
    moved_at_s: float

    @property
    def totals(self) -> Mapping[str, int]:
        return {outcome.value: getattr(self.fence, outcome.value) for outcome in Outcome}


class StageMetrics:
    """Counters of one stage of one pack.

    Args:
        stage: `ingestion`, `decision` or `recorder`.
        partitions: Of the stage's topic, as set; each needs an owner.
        clock: Unix time in seconds.
    """

    def __init__(
        self, pack: str, stage: str, partitions: int = 0, clock: Callable[[], float] = time
    ) -> None:
        self.registry = CollectorRegistry()
        self._labels = {"pack": pack, "stage": stage}
        self._clock = clock
        self._held: Mapping[int, Held] = {}
        self._lag: Mapping[int, float] = {}
        self._newest_s: Mapping[int, float] = {}
        self._count()
        self._measure()
        self._watch_partitions(partitions)
        tell_process(self.registry)

    def _count(self) -> None:
        names, registry = list(self._labels), self.registry
        self._read = Counter(
            "centinela_events_read",
            "Lines of the records that this process has folded; its outcomes must add up to them.",
            [*names, "partition"],
            registry=registry,
        )
        self._events = Counter(
            "centinela_events",
            "Events by how they ended in this process.",
            [*names, "partition", "outcome", "action"],
            registry=registry,
        )
        self._repeats = Counter(
            "centinela_repeated_records",
            "Records that the stage before emitted again after a crash, and that were dropped.",
            [*names, "partition"],
            registry=registry,
        )
        self._degraded = Counter(
            "centinela_degraded_events",
            "Events answered with less known than should be; by the policy's fail mode at least.",
            [*names, "partition"],
            registry=registry,
        )
        self._alarms = Counter(
            "centinela_alarms",
            f"Things that should not happen, by kind: {', '.join(ALARMS)}.",
            [*names, "kind"],
            registry=registry,
        )
        for kind in ALARMS:
            self._alarms.labels(**self._labels, kind=kind)

    def _measure(self) -> None:
        self._seconds = Histogram(
            "centinela_step_seconds",
            "Time of one step of a chunk: decode, store, fold, emit, answer.",
            [*self._labels, "step"],
            buckets=STEP_BUCKETS,
            registry=self.registry,
        )
        self._latency = EventSeconds(
            "centinela_latency_seconds",
            "From an event's arrival in Kafka until Kafka has this stage's outcome, over events; "
            "the decision stage's is from end to end, the recorder's until it is to be written.",
            self._labels,
            LATENCY_BUCKETS,
            self.registry,
        )

    def _watch_partitions(self, partitions: int) -> None:
        topic = Gauge(
            "centinela_topic_partitions",
            "Partitions of the stage's topic, as set; each needs an owner.",
            list(self._labels),
            registry=self.registry,
        )
        topic.labels(**self._labels).set(partitions)
        PartitionTotals(
            "centinela_fence_events",
            "Events by outcome since the partition's log was first folded, as the store has them.",
            self._labels,
            lambda: {partition: held.totals for partition, held in self._held.items()},
            self.registry,
        )
        PartitionGauge(
            "centinela_fence_offset",
            "Offset of the newest record whose effects are committed; -1 before the first.",
            self._labels,
            lambda: {partition: held.fence.offset for partition, held in self._held.items()},
            self.registry,
        )
        PartitionGauge(
            "centinela_fence_moved_timestamp_seconds",
            "When this process last committed a chunk, or took the partition over.",
            self._labels,
            lambda: {partition: held.moved_at_s for partition, held in self._held.items()},
            self.registry,
        )
        PartitionGauge(
            "centinela_fence_record_timestamp_seconds",
            "Kafka's time of the newest record that this process has folded.",
            self._labels,
            lambda: self._of_held(self._newest_s),
            self.registry,
        )
        PartitionGauge(
            "centinela_lag_records",
            "Records in the log that are not folded yet; absent while Kafka cannot be asked.",
            self._labels,
            lambda: self._of_held(self._lag),
            self.registry,
        )

    def _of_held(self, figures: Mapping[int, float]) -> Mapping[int, float]:
        held = self._held
        return {partition: figure for partition, figure in figures.items() if partition in held}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = perf_counter()
        try:
            yield
        finally:
            self._seconds.labels(**self._labels, step=name).observe(perf_counter() - started)

    def alarm(self, kind: str) -> None:
        self._alarms.labels(**self._labels, kind=kind).inc()

    def lag(self, records: Mapping[int, int]) -> None:
        """Of all partitions at once; empty while it cannot be known."""
        self._lag = dict(records)

    def taken_over(self, partition: int, fence: Fence) -> None:
        self.committed(partition, fence)
        # There from zero on: what appears with its first event shows no rise.
        self._read.labels(**self._labels, partition=partition)
        self._repeats.labels(**self._labels, partition=partition)
        self._degraded.labels(**self._labels, partition=partition)
        for outcome in UNJUDGED:
            self._ended(partition, outcome, "")

    def left(self, partition: int) -> None:
        self._held = {other: held for other, held in self._held.items() if other != partition}

    def committed(self, partition: int, fence: Fence) -> None:
        self._held = {**self._held, partition: Held(fence, self._clock())}

    def folded(self, records: Sequence[Record], folded: Folded) -> None:
        """What came of a chunk's records, once Kafka has it."""
        for kind in folded.alarms:
            self.alarm(kind)
        for partition, events in folded.degraded.items():
            self._degraded.labels(**self._labels, partition=partition).inc(events)
        ended = Tallied[tuple[int, str, str]]()
        for tally in folded.tallies:
            ended[tally.partition, tally.outcome.value, tally.action] += tally.events
        for (partition, outcome, action), events in ended.items():
            self._ended(partition, outcome, action).inc(events)
        done = sources_of(folded.records) | {(r.partition, r.offset) for r in folded.recorded}
        fresh = [record for record in records if (record.partition, record.offset) in done]
        self._account(fresh, folded.tallies)
        for partition, repeats in dropped(records, fresh).items():
            self._repeats.labels(**self._labels, partition=partition).inc(repeats)
        self._newest_s = {**self._newest_s, **{r.partition: r.at_ms / 1000 for r in records}}

    def _account(self, fresh: Sequence[Record], tallies: Sequence[Tally]) -> None:
        lines = lines_of_each(fresh)
        for partition, read in lines_read(fresh, lines, tallies).items():
            self._read.labels(**self._labels, partition=partition).inc(read)
        now_s = self._clock()
        seconds = [max(0.0, now_s - arrived_ms(record) / 1000) for record in fresh]
        self._latency.observe(seconds, lines)

    def _ended(self, partition: int, outcome: str, action: str) -> Counter:
        return self._events.labels(
            **self._labels, partition=partition, outcome=outcome, action=action
        )
