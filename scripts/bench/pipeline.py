"""Sustained replay: a pre-loaded events topic to the last record on the actions topic.

    python -m scripts.bench.pipeline --events 1000000 --rounds 3

Everything runs on this machine: broker, Redis, both agents. The first 200,000 actions are warm-up
(the broker's compiler needs them) and the last 2 % the end; the rate is taken between, by the
broker's record times. CPU is utime + stime of each process between about the same marks.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from confluent_kafka import Consumer, TopicPartition

from models.catalog import pack_named
from producer.publisher import Publisher, records_of
from producer.records import actions_topic
from producer.topics import end_offsets, ensure_topics
from scripts.bench import load
from scripts.stack import native
from scripts.stack.ports import free_ports
from scripts.stack.processes import agents_and_api
from scripts.stack.settings import LocalStack
from scripts.stack.supervisor import Supervisor

TICKS = os.sysconf("SC_CLK_TCK")
PARTITIONS = 4
PORTS = (
    "kafka_port",
    "kafka_controller_port",
    "redis_port",
    "api_port",
    "ingestion_port",
    "decision_port",
)
IDLE_S = 60.0
WARM_UP = 200_000


@dataclass(frozen=True, slots=True)
class Round:
    """One replay of the topic: events/s, and CPU seconds per million events of each process."""

    events: int
    events_per_second: float
    cpu_s_per_million: dict[str, float]
    rss_mb: dict[str, float]
    outcomes: dict[str, int]


class Spent:
    """CPU of each process while the actions between the marks appear."""

    def __init__(self, pids: Mapping[str, int], events: int) -> None:
        self._pids = pids
        self._marks = list(marks(events))
        self._looks: list[tuple[int, dict[str, float]]] = []

    def look(self, seen: int) -> None:
        if self._marks and seen >= self._marks[0]:
            self._marks.pop(0)
            self._looks.append((seen, {name: _cpu_s(pid) for name, pid in self._pids.items()}))

    def per_million(self) -> dict[str, float]:
        (first, before), (last, after) = self._looks
        millions = (last - first) / 1e6
        return {name: round((after[name] - before[name]) / millions, 2) for name in before}


def main(
    events: Annotated[int, typer.Option(help="Events in the topic.")] = 1_000_000,
    clients: Annotated[int, typer.Option(help="Clients among them.")] = 100_000,
    rounds: Annotated[int, typer.Option(help="Replays, each on a fresh stack.")] = 3,
    flat: Annotated[bool, typer.Option(help="Every client equally loud.")] = False,
) -> None:
    results = [_round(events, clients, is_flat=flat) for _ in range(rounds)]
    for result in results:
        print(json.dumps(asdict(result)), flush=True)
    rates = [result.events_per_second for result in results]
    print(
        f"median {statistics.median(rates):,.0f} events/s, {min(rates):,.0f} to {max(rates):,.0f}"
    )


def _round(events: int, clients: int, *, is_flat: bool) -> Round:
    ports = free_ports(6)
    with tempfile.TemporaryDirectory() as folder:
        settings = LocalStack.model_validate(
            {"home": Path(folder), **dict(zip(PORTS, ports, strict=True))}
        )
        supervisor = Supervisor(settings.run, lambda line: None)
        try:
            native.launch(settings, supervisor)
            supervisor.await_healthy()
            _load(settings, events, clients, is_flat=is_flat)
            for child in agents_and_api(settings)[:2]:
                supervisor.launch(child)
            return _watch(settings, supervisor, events)
        finally:
            supervisor.stop()


def _load(settings: LocalStack, events: int, clients: int, *, is_flat: bool) -> None:
    pack = pack_named("access")
    ensure_topics(settings.kafka, pack.name, PARTITIONS)
    until = time.time_ns() // 1000
    made = load.lines(pack, events, clients, is_flat=is_flat, seed=7, until_us=until)
    numbered = [(str(number), client, line) for number, (client, line) in enumerate(made)]
    with Publisher(settings.kafka, linger_ms=5) as publisher:
        for record in records_of(pack.name, numbered, PARTITIONS):
            publisher.put(record, lambda error, message: None)
        publisher.flush(60)


def _watch(settings: LocalStack, supervisor: Supervisor, events: int) -> Round:
    pids = {one.child.name: one.process.pid for one in supervisor.running}
    spent = Spent(pids, events)
    arrivals: list[tuple[int, int]] = []
    outcomes: dict[str, int] = {}
    consumer = _consumer(settings)
    seen, last = 0, time.monotonic()
    while seen < events and time.monotonic() - last < IDLE_S:
        for message in consumer.consume(500, 0.5):
            value = message.value() or b""
            lines = value.count(b"\n") + 1
            seen += lines
            arrivals.append((message.timestamp()[1], lines))
            for outcome in ("decided", "duplicate", "late", "dead"):
                found = value.count(b'"outcome":"%s"' % outcome.encode())
                outcomes[outcome] = outcomes.get(outcome, 0) + found
            last = time.monotonic()
        spent.look(seen)
    rss = {name: _rss_mb(pid) for name, pid in pids.items()}
    consumer.close()
    return Round(seen, _rate(arrivals), spent.per_million(), rss, outcomes)


def _consumer(settings: LocalStack) -> Consumer:
    options: dict[str, Any] = {
        "bootstrap.servers": settings.kafka,
        "group.id": "bench",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        # Looks twice a second: the bench must not take the agents' share of the machine.
        "fetch.min.bytes": 4_000_000,
        "fetch.wait.max.ms": 500,
    }
    topic = actions_topic("access")
    consumer = Consumer(options)
    consumer.assign([TopicPartition(topic, p, 0) for p in end_offsets(settings.kafka, topic)])
    return consumer


def marks(events: int) -> tuple[int, int]:
    """The numbers of the first and the last action that count."""
    return min(WARM_UP, events // 2), events * 98 // 100


def _rate(arrivals: list[tuple[int, int]]) -> float:
    at_ms, lines = np.array(sorted(arrivals), np.int64).T
    counted = np.cumsum(lines)
    first, last = np.searchsorted(counted, marks(int(counted[-1])))
    return float((counted[last] - counted[first]) / max(1, at_ms[last] - at_ms[first]) * 1000)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


if __name__ == "__main__":
    typer.run(main)
