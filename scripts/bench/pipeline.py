"""Sustained replay: a pre-loaded events topic to the last record on the actions topic.

    python -m scripts.bench.pipeline --events 400000 --rounds 3

Everything runs on this machine: broker, Redis, both agents. The rate is taken between the 5 % and
the 95 % mark of the actions, by the broker's record times, so start-up does not count. CPU is
utime + stime of each process from the agents' start to the last action.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

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
IDLE_S = 20.0


@dataclass(frozen=True, slots=True)
class Round:
    """One replay of the topic: events/s, and CPU seconds per million events of each process."""

    events: int
    events_per_second: float
    cpu_s_per_million: dict[str, float]
    rss_mb: dict[str, float]
    outcomes: dict[str, int]


def main(
    events: Annotated[int, typer.Option(help="Events in the topic.")] = 400_000,
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
    began = {name: _cpu_s(pid) for name, pid in pids.items()}
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
    spent = {name: _cpu_s(pid) - began[name] for name, pid in pids.items()}
    rss = {name: _rss_mb(pid) for name, pid in pids.items()}
    consumer.close()
    per_million = {name: round(1e6 * cpu / seen, 2) for name, cpu in spent.items()}
    return Round(seen, _rate(arrivals), per_million, rss, outcomes)


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


def _rate(arrivals: list[tuple[int, int]]) -> float:
    arrivals = sorted(arrivals)
    total = sum(lines for _, lines in arrivals)
    counted, marks = 0, []
    for at_ms, lines in arrivals:
        counted += lines
        marks.append((counted / total, at_ms, counted))
    first = next(mark for mark in marks if mark[0] >= 0.05)
    last = next(mark for mark in marks if mark[0] >= 0.95)
    return (last[2] - first[2]) / max(1e-3, (last[1] - first[1]) / 1000)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


if __name__ == "__main__":
    typer.run(main)
