"""Centinela as a contender: both agents with the whole access pack."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from producer.records import actions_topic, decisions_topic
from producer.topics import ensure_topics
from scripts.bench.contenders.contender import Job, Processes, Shape
from scripts.bench.topics import make_topic
from scripts.stack.ports import free_ports
from stream_agents.metrics import VERSION

OUT_TOPIC = actions_topic("access")


@dataclass(slots=True)
class Centinela:
    """Ingestion and decision agent; reads `events.access`, answers on `actions.access`."""

    name: str = "centinela"
    does: str = (
        "both agents, the whole access pack: 44 features in 4 windows, 22 rules, text model, "
        "forest, reasons, policy, blocks; state and fence in Redis; 200 events a record"
    )
    lacks: str = "nothing of the pack; J1 is a part of what it does"
    reads: Shape = "batched"
    warm_up_s: float = 5.0
    _running: Processes = field(default_factory=Processes)

    def versions(self) -> Mapping[str, str]:
        return {"centinela": VERSION}

    def prepare(self) -> None:
        """It runs in the environment of the harness."""

    def start(self, job: Job) -> Sequence[int]:
        make_topic(job.kafka, decisions_topic("access"), job.partitions)
        ensure_topics(job.kafka, "access", job.partitions)
        ports = free_ports(2)
        environment = {
            "CENTINELA_KAFKA": job.kafka,
            "CENTINELA_REDIS": job.redis,
            "CENTINELA_PARTITIONS": str(job.partitions),
            "CENTINELA_INGESTION_PORT": str(ports[0]),
            "CENTINELA_DECISION_PORT": str(ports[1]),
            "CENTINELA_POSTGRES": "",
        }
        return [
            self._running.launch(
                (sys.executable, "-m", f"stream_agents.{agent}"),
                environment,
                job.folder / f"{agent}.log",
            )
            for agent in ("ingestion", "decision")
        ]

    def answered(self) -> int | None:
        return None

    def stop(self) -> None:
        self._running.stop()


def centinelas() -> tuple[Centinela, ...]:
    return (
        Centinela(),
        Centinela(
            "centinela-single",
            "the same, fed one event a record, as a foreign producer would",
            reads="single",
        ),
    )
