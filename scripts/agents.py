"""What the agents tell about themselves, read from their `/health` and `/metrics`."""

from __future__ import annotations

import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from scripts.stack.health import TIMEOUT_S, http_status
from scripts.stack.settings import LocalStack

READY, STARTING, SILENT = "ready", "starting", "does not answer"
CONTAINED = "in a container, if at all: docker compose ps"
STATES = {200: READY, 503: STARTING}

LAG = "centinela_lag_records"
TOTALS = "centinela_fence_events_total"


@dataclass(frozen=True, slots=True)
class AgentState:
    """How an agent does.

    Args:
        state: ready, starting, "does not answer", or where to ask for it.
        lag: Records that wait to be folded; None where it does not say.
        events: By outcome, since its log was first folded.
    """

    name: str
    state: str
    lag: int | None = None
    events: Mapping[str, int] = field(default_factory=dict)


def agents_of(settings: LocalStack) -> tuple[AgentState, ...]:
    if settings.stack == "docker":  # whose agents publish no port
        return tuple(AgentState(name, CONTAINED) for name in settings.agent_ports)
    return tuple(agent_at(name, port, settings.api) for name, port in settings.agent_ports.items())


def agent_at(name: str, port: int, api: str) -> AgentState:
    """Asked at its own port, or, as `demo` has it, within the API's process."""
    at = f"http://127.0.0.1:{port}"
    state = STATES.get(http_status(f"{at}/health") or 0, SILENT)
    if state != SILENT:
        return AgentState(name, state, *figures(exposition(at), name))
    lag, events = figures(exposition(api), name)
    return AgentState(name, READY, lag, events) if events else AgentState(name, SILENT)


def exposition(address: str) -> str:
    """What Prometheus is told; empty where nobody answers."""
    try:
        with urllib.request.urlopen(f"{address}/metrics", timeout=TIMEOUT_S) as told:
            return str(told.read().decode())
    except (OSError, ValueError):
        return ""


def figures(told: str, stage: str) -> tuple[int | None, Mapping[str, int]]:
    """A stage's lag and its events by outcome, over all partitions."""
    lag: int | None = None
    events = Counter[str]()
    for family in text_string_to_metric_families(told):
        for sample in family.samples:
            if sample.labels.get("stage") != stage:
                continue
            if sample.name == LAG:
                lag = (lag or 0) + int(sample.value)
            elif sample.name == TOTALS:
                events[sample.labels["outcome"]] += int(sample.value)
    return lag, events
