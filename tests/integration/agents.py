"""The real agents as processes, to be killed, and the answers that they owe."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from feature_store.online import connect
from models.artifacts import champion_of
from models.catalog import pack_named
from producer.records import Record, actions_topic, decisions_topic, events_topic
from producer.topics import ensure_topics, topic_id
from scripts.stack.ports import free_ports
from stream_agents.answers import MemoryResults
from stream_agents.engine import Decision, Detection
from stream_agents.memory import MemoryBroker, MemoryLog, MemoryStore
from stream_agents.metrics import StageMetrics
from stream_agents.stage import Stage
from stream_agents.worker import Worker
from tests.stacks import Stack
from tests.topics import admin_client, delete_topics, read_topic

PARTITIONS = 4
START_WITHIN_S = 60.0
PORT_SETTING = {
    "ingestion": "CENTINELA_INGESTION_PORT",
    "decision": "CENTINELA_DECISION_PORT",
    "recorder": "CENTINELA_RECORDER_PORT",
}


@dataclass(slots=True)
class Agent:
    """One agent's process; started again as a supervisor would.

    Args:
        postgres: Where a recorder writes.
    """

    name: str
    stack: Stack
    folder: Path
    instance: str = ""
    postgres: str = ""
    port: int = field(default_factory=lambda: free_ports(1)[0])
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {
            **os.environ,
            "CENTINELA_KAFKA": self.stack.kafka,
            "CENTINELA_REDIS": self.stack.redis,
            "CENTINELA_POSTGRES": self.postgres,
            "CENTINELA_INSTANCE": self.instance or f"{self.name}-1",
            PORT_SETTING[self.name]: str(self.port),
        }
        command = [sys.executable, "-m", f"stream_agents.{self.name}"]
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> int:
        """The exit code after SIGTERM."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def await_healthy(self) -> None:
        deadline = time.monotonic() + START_WITHIN_S
        while time.monotonic() < deadline:
            try:
                with urlopen(f"http://127.0.0.1:{self.port}/health", timeout=1) as answer:
                    if answer.status == 200:
                        return
            except (URLError, OSError):
                time.sleep(0.1)
        raise AssertionError(f"{self.name} did not become healthy: {self.log()[-3000:]}")

    def log(self) -> str:
        return (self.folder / f"{self.name}.log").read_text()


@contextmanager
def running(*agents: Agent) -> Iterator[None]:
    """The agents, healthy; ended at the end whatever happened."""
    try:
        for agent in agents:
            agent.start()
        for agent in agents:
            agent.await_healthy()
        yield
    finally:
        for agent in agents:
            if agent.process and agent.process.poll() is None:
                agent.kill()


def start_afresh(stack: Stack) -> None:
    """Empty topics and an empty store, whatever other tests have left."""
    admin = admin_client(stack.kafka)
    topics = {name("access") for name in (events_topic, decisions_topic, actions_topic)}
    delete_topics(admin, topics)
    asyncio.run(_flush(stack.redis))
    ensure_topics(stack.kafka, "access", PARTITIONS)


async def _flush(url: str) -> None:
    redis = connect(url)
    await redis.flushdb()
    await redis.aclose()


def first_copies(logs: list[list[Record]]) -> dict[tuple[int, int], bytes]:
    """(partition, source offset) to the value that came first: what a careful reader keeps."""
    kept: dict[tuple[int, int], bytes] = {}
    for log in logs:
        for record in log:
            source = int(record.header("source-offset") or b"-1")
            kept.setdefault((record.partition, source), record.value)
    return kept


def await_actions(kafka: str, records: int, within_s: float = 90.0) -> list[list[Record]]:
    """The actions topic once it answers every one of so many event records."""
    deadline = time.monotonic() + within_s
    while True:
        logs = read_topic(kafka, actions_topic("access"))
        if len(first_copies(logs)) >= records:
            return logs
        assert time.monotonic() < deadline, f"{len(first_copies(logs))} of {records} answered"
        time.sleep(0.5)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the log amounts to, folded from nothing in this process.

    Args:
        actions: (partition, offset of the decisions record) to the record's value.
        states: (partition, entity) to its encoded state.
        standings: (partition, shard) to its encoded state.
    """

    actions: dict[tuple[int, int], bytes]
    states: dict[tuple[int, str], bytes]
    standings: dict[tuple[int, str], bytes]


def fold_from_nothing(kafka: str) -> Expected:
    pack = pack_named("access")
    broker, store, standings = MemoryBroker(lambda: 0), MemoryStore(), MemoryStore()
    for topic in (events_topic, decisions_topic, actions_topic):
        broker.create(topic(pack.name), PARTITIONS)
    log = broker.topics[events_topic(pack.name)]
    log.partitions = read_topic(kafka, events_topic(pack.name))
    log.id = topic_id(kafka, events_topic(pack.name))
    detection = Detection(pack, champion_of(pack.name))
    asyncio.run(_drain(broker, events_topic(pack.name), detection, store))
    decision = Decision(pack, MemoryResults())
    asyncio.run(_drain(broker, decisions_topic(pack.name), decision, standings))
    actions = broker.topics[actions_topic(pack.name)].partitions
    return Expected(first_copies(actions), store.states, standings.states)


async def _drain(broker: MemoryBroker, topic: str, stage: Stage, store: MemoryStore) -> None:
    transport = MemoryLog(broker, topic)
    metrics = StageMetrics("access", "oracle")
    worker = Worker(stage, store, transport, broker.topics[topic].id, metrics)
    transport.assign(await worker.assigned(range(PARTITIONS)))
    while records := transport.take(7):
        await worker.process(records)
    await worker.settle()


def publish(kafka: str, lines: Sequence[tuple[str, bytes]]) -> int:
    """Publishes (client, line) pairs; returns how many records they became."""
    from producer.publisher import Publisher, records_of

    numbered = [(str(number), client, line) for number, (client, line) in enumerate(lines)]
    records = records_of("access", numbered, PARTITIONS)
    failed: list[object] = []
    with Publisher(kafka, linger_ms=1) as publisher:
        for record in records:
            publisher.put(record, lambda error, message: failed.append(error) if error else None)
        publisher.flush(30)
    assert not failed
    return len(records)
