"""Every metric of every process, from the registries that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from api.metrics import ApiMetrics
from models.catalog import PACKS
from scripts.manual.markdown import table
from stream_agents.audit_metrics import AuditMetrics
from stream_agents.metrics import ALARMS, StageMetrics

HEAD = """\
# Metrics

Made from what is declared, by `python -m scripts.reference`. The API answers `/metrics` at its own
port (8080), each agent at a port of its own (9101 and 9102), the auditor at 9104. A histogram has
the series `_bucket`, `_sum` and `_count`. Every process also tells the client library's
`process_*`: CPU time, memory, open files, and since when it runs.

"""

SUFFIXES = {"counter": "_total", "info": "_info"}
OF_THE_CLIENT = "process_"


@dataclass(frozen=True, slots=True)
class Told:
    """A family of series."""

    name: str
    kind: str
    labels: Sequence[str]
    text: str


def page() -> str:
    agents = StageMetrics(PACKS[0].name, "ingestion", 1).registry
    auditor = AuditMetrics(PACKS[0].name, 1).registry
    api = ApiMetrics(lambda: 0.0).registry
    alarms = table(("kind", "means that"), [(f"`{kind}`", text) for kind, text in ALARMS.items()])
    return (
        f"{HEAD}## Agents\n\n{rows(agents)}\n### Alarms\n\n"
        f"By the label `kind` of `centinela_alarms_total`; each should stay at zero.\n\n{alarms}"
        f"\n## Auditor\n\n{rows(auditor)}\n## API\n\n{rows(api)}"
    )


def rows(registry: CollectorRegistry) -> str:
    columns = ("metric", "type", "labels", "what")
    return table(
        columns,
        [
            (f"`{one.name}`", one.kind, ", ".join(f"`{label}`" for label in one.labels), one.text)
            for one in told_by(registry)
        ],
    )


def told_by(registry: CollectorRegistry) -> Iterator[Told]:
    """In the order of declaration, without what the client library adds."""
    # Neither the collectors nor the labels of one without series have a public face.
    for collector in registry._collector_to_names:
        of_collector = getattr(collector, "_labelnames", ())
        for family in collector.collect():
            if not family.name.startswith(OF_THE_CLIENT):
                yield told(family, getattr(family, "_labelnames", None) or of_collector)


def told(family: Any, labels: Sequence[str]) -> Told:
    name = f"{family.name}{SUFFIXES.get(family.type, '')}"
    return Told(name, family.type, labels, family.documentation)
