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
        "both agents, the whole access pack: windows from a minute to a day, rules, text model, "
        "forest, reasons, policy, blocks; state and fence in Redis; 200 events a record"
    )
    lacks: str = "nothing of the pack; J1 is a part of what it does"
    reads: Shape = "batched"
    warm_up_s: float = 5.0
    workers: int = 1
    module: str = "stream_agents.{agent}"
    _running: Processes = field(default_factory=Processes)

    def versions(self) -> Mapping[str, str]:
        return {"centinela": VERSION}

    def prepare(self) -> None:
        """It runs in the environment of the harness."""

    def start(self, job: Job) -> Sequence[int]:
        make_topic(job.kafka, decisions_topic("access"), job.partitions)
        ensure_topics(job.kafka, "access", job.partitions)
        return self.resume(job)

    def resume(self, job: Job) -> Sequence[int]:
        """Start it on topics that it knows."""
        agents = ("ingestion",) * self.workers + ("decision",)
        return [
            self._running.launch(
                (sys.executable, "-m", *self.module.format(agent=agent).split(" ")),
                {**job.environment(), **_environment(job, port)},
                job.folder / f"{agent}-{number}.log",
            )
            for number, (agent, port) in enumerate(
                zip(agents, free_ports(len(agents)), strict=True)
            )
        ]

    def answered(self) -> int | None:
        return None

    def stop(self) -> None:
        self._running.stop()


def _environment(job: Job, port: int) -> Mapping[str, str]:
    return {
        "CENTINELA_KAFKA": job.kafka,
        "CENTINELA_REDIS": job.redis,
        "CENTINELA_PARTITIONS": str(job.partitions),
        "CENTINELA_INGESTION_PORT": str(port),
        "CENTINELA_DECISION_PORT": str(port),
        "CENTINELA_POSTGRES": "",
    }


def centinelas() -> tuple[Centinela, ...]:
    return (
        Centinela(),
        Centinela(
            "centinela-single",
            "the same, fed one event a record, as a foreign producer would",
            reads="single",
        ),
        Centinela(
            "centinela-j1",
            "the same agents with job J1 as their pack: one sliding window of 10 min, 3 features, "
            "the job's forest; 200 events a record",
            "rules, text model and blocks, which this pack has none of",
            module="scripts.bench.contenders.ours_j1.job {agent}",
        ),
    )
