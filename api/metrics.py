"""What the API tells Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from api.schemas import Analysis, Summary
from stream_agents.metrics import tell_process

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0)
ACTIONS = ("allow", "alert", "challenge", "block")
ANALYZE = ("/v1/analyze", "/analyze")
EXPECTED = ("200", "202", "500", "503")
"""Statuses of these routes, told from zero on: what appears with its first shows no rise."""
BUILD = "centinela_build"
"""What every registry tells."""

OUTCOMES = ("duplicate", "late", "dead", "invalid")


class ApiMetrics:
    """Counters of one API process.

    Args:
        waiting: How many requests wait for their answers now.
        agents: What agents in this very process tell.
    """

    def __init__(
        self, waiting: Callable[[], float], agents: Sequence[CollectorRegistry] = ()
    ) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(Together(agents))
        self._requests = Counter(
            "centinela_api_requests",
            "Requests by route, method and status; 499 where the client went away first.",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "centinela_api_request_seconds",
            "Time until the answer was sent, by route and status.",
            ["route", "status"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._batches = Counter(
            "centinela_api_batches",
            "Batches by how the POST was answered: complete or pending.",
            ["pack", "status"],
            registry=self.registry,
        )
        self._events = Counter(
            "centinela_api_events",
            "Events of batches answered as complete, by outcome and action.",
            ["pack", "outcome", "action"],
            registry=self.registry,
        )
        waits = Gauge(
            "centinela_api_pending_waits",
            "Requests that wait for their answers.",
            registry=self.registry,
        )
        waits.set_function(waiting)
        tell_process(self.registry)
        for route in ANALYZE:
            for status in EXPECTED:
                self._requests.labels(route, "POST", status)
                self._seconds.labels(route, status)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        self._requests.labels(route, method, status).inc()
        self._seconds.labels(route, status).observe(seconds)

    def batch(self, pack: str, status: str) -> None:
        self._batches.labels(pack, status).inc()

    def completed(self, analysis: Analysis) -> None:
        self.batch(analysis.pack, analysis.status)
        for outcome, action, events in by_ending(analysis.summary):
            self._events.labels(analysis.pack, outcome, action).inc(events)

    def exposition(self) -> bytes:
        return generate_latest(self.registry)


class Together(Collector):
    """What several registries tell of Centinela, each family once; their process is this one."""

    def __init__(self, registries: Sequence[CollectorRegistry]) -> None:
        self._registries = registries

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for registry in self._registries:
            for family in registry.collect():
                if family.name.startswith("centinela_") and family.name != BUILD:
                    known = families.setdefault(family.name, family)
                    known.samples += family.samples if known is not family else []
        return families.values()


def by_ending(summary: Summary) -> list[tuple[str, str, int]]:
    """Outcome, action (empty for none) and how many events ended so, where there are any."""
    decided = [("decided", action, getattr(summary, action)) for action in ACTIONS]
    others = [(outcome, "", getattr(summary, outcome)) for outcome in OUTCOMES]
    return [(outcome, action, events) for outcome, action, events in decided + others if events]
