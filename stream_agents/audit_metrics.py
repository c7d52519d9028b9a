"""What the auditor tells Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from time import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from stream_agents.audited import Account, Compared
from stream_agents.metrics import LATENCY_BUCKETS, tell_process


class AuditMetrics:
    """Counters of one pack's auditor.

    Args:
        partitions: Each gets canaries.
        canaries: Whether any are sent.
        clock: Unix time in seconds.
    """

    def __init__(
        self,
        pack: str,
        partitions: int,
        *,
        canaries: bool = True,
        clock: Callable[[], float] = time,
    ) -> None:
        self.registry = CollectorRegistry()
        self._pack = pack
        self._clock = clock
        self._canaries(range(partitions if canaries else 0))
        self._parity()
        self._books()
        tell_process(self.registry)

    def canary_answered(self, partition: int, seconds: float) -> None:
        self._seconds.labels(self._pack).observe(seconds)
        self._sent.labels(self._pack, partition, "answered").inc()
        self._success.labels(self._pack, partition).set(self._clock())

    def canary_failed(self, partition: int) -> None:
        self._sent.labels(self._pack, partition, "failed").inc()

    def compared(self, told: Compared) -> None:
        self._checked.labels(self._pack).inc(told.checked)
        self._differing.labels(self._pack).inc(len(told.differing))
        for reason, count in told.passed_over.items():
            self._passed.labels(self._pack, reason).inc(count)

    def counted(self, told: Account) -> None:
        for books in told.partitions:
            self._missing.labels(self._pack, books.partition).set(books.missing)
            self._lost.labels(self._pack, books.partition).set(books.lost_records)
            self._wrong.labels(self._pack, books.partition).set(len(books.wrong))
        self._counted_at.labels(self._pack).set(self._clock())

    def _canaries(self, partitions: range) -> None:
        self._seconds = Histogram(
            "centinela_canary_seconds",
            "From sending an event of ours until its answer is here.",
            ["pack"],
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._seconds.labels(self._pack)
        self._sent = Counter(
            "centinela_canaries",
            "Events of ours by whether they were answered in time: answered, failed.",
            ["pack", "partition", "result"],
            registry=self.registry,
        )
        self._success = self._gauge(
            "centinela_canary_success_timestamp_seconds",
            "When an event of ours was last answered; at first, when this process began.",
            "partition",
        )
        for partition in partitions:
            self._success.labels(self._pack, partition).set(self._clock())
            for result in ("answered", "failed"):
                self._sent.labels(self._pack, partition, result)

    def _parity(self) -> None:
        self._checked = self._counter(
            "centinela_parity_checked", "Decisions that were derived again from the log."
        )
        self._differing = self._counter(
            "centinela_parity_differing", "Those of them that came out otherwise."
        )
        self._passed = Counter(
            "centinela_parity_passed_over",
            "Decisions drawn that could not be derived again, by why.",
            ["pack", "reason"],
            registry=self.registry,
        )

    def _books(self) -> None:
        self._missing = self._gauge(
            "centinela_audit_missing_events",
            "Events of the log without an answer, though a fence says they have one; as counted "
            "last.",
            "partition",
        )
        self._lost = self._gauge(
            "centinela_audit_lost_records",
            "Records that went before they were folded, at the edge of the log; as counted last.",
            "partition",
        )
        self._wrong = self._gauge(
            "centinela_audit_disagreements",
            "Ways in which log and fences do not agree; as counted last.",
            "partition",
        )
        self._counted_at = self._gauge(
            "centinela_audit_timestamp_seconds", "When the whole log was last counted."
        )

    def _counter(self, name: str, words: str) -> Counter:
        made = Counter(name, words, ["pack"], registry=self.registry)
        made.labels(self._pack)
        return made

    def _gauge(self, name: str, words: str, *labels: str) -> Gauge:
        return Gauge(name, words, ["pack", *labels], registry=self.registry)
