"""Scored events by hand, and the decision stage over them under its worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import cycle

import msgspec

from models.catalog import pack_named
from models.contracts import ActionTaken, Reason, ScoredEvent
from models.lists import Entry, Lists
from models.policy import Policy
from models.regime import Regime
from producer.instants import rfc3339
from producer.records import actions_topic, decisions_topic
from stream_agents.answers import MemoryResults
from stream_agents.engine import Decision
from stream_agents.memory import MemoryBroker, MemoryLog, MemoryStore
from stream_agents.metrics import StageMetrics
from stream_agents.worker import Worker
from tests.unit.stream_agents.pipeline import taken

PACK = pack_named("access")
NOON = 1_780_000_000_000_000
SECOND, HOUR, DAY = 1_000_000, 3_600_000_000, 86_400_000_000
TRAVERSAL = "path_traversal"
WHY = Reason(TRAVERSAL, "the request climbs out of the site's folder")
A, B = "203.0.113.7", "203.0.113.8"


def event(entity: str = A, at: int = NOON, score: float = 0.1) -> ScoredEvent:
    """An ordinary one."""
    return ScoredEvent(f"{entity}@{at}", "decided", entity, rfc3339(at), score, model="m-1")


def attack(entity: str = A, at: int = NOON, rule: str = TRAVERSAL) -> ScoredEvent:
    """One that is blocked by itself."""
    made = event(entity, at, 0.5)
    return msgspec.structs.replace(made, rules=(rule,), reasons=(WHY,), features={"x": 1.0})


def suspicion(entity: str = A, at: int = NOON) -> ScoredEvent:
    """One that is challenged by itself."""
    made = event(entity, at, 0.5)
    return msgspec.structs.replace(made, rules=("known_weakness_probe",), reasons=(WHY,))


def regime(*entries: Entry, policy: Policy = PACK.policy, revision: int = 1) -> Regime:
    return Regime(policy, Lists(revision if entries else 0, entries))


class Decisions:
    """decisions.access -> actions.access, over one store."""

    def __init__(self, partitions: int = 1) -> None:
        self.regime = regime()
        self.store = MemoryStore()
        self.broker = MemoryBroker(lambda: NOON // 1000)
        self._metrics = StageMetrics("access", "test")
        self._partitions = range(partitions)
        for topic in (decisions_topic("access"), actions_topic("access")):
            self.broker.create(topic, partitions)
            self.broker.topics[topic].id = f"id of {topic}"

    def send(self, *events: ScoredEvent, partition: int = 0) -> None:
        """The events as one record."""
        value = msgspec.json.Encoder().encode_lines(events).rstrip(b"\n")
        self.broker.produce(decisions_topic("access"), partition, value)

    def run(self, chunks: Sequence[int] = (1_000_000,), stop_after: int = 1_000_000) -> None:
        """What has been sent, by a worker that knows nothing but the store.

        Args:
            chunks: How many records each take brings, in turn.
            stop_after: The worker is gone after so many takes, its last chunk not committed.
        """
        asyncio.run(self._run(chunks, stop_after))

    async def _run(self, chunks: Sequence[int], stop_after: int) -> None:
        topic = decisions_topic("access")
        stage = Decision(PACK, MemoryResults(), self._now())
        log = MemoryLog(self.broker, topic)
        epoch = self.broker.topics[topic].id
        worker = Worker(stage, self.store, log, epoch, self._metrics)
        log.assign(await worker.assigned(self._partitions))
        for number, records in enumerate(taken(log.take, cycle(chunks)), 1):
            await worker.process(records)
            if number == stop_after:
                return
        await worker.settle()

    def _now(self) -> Callable[[], Regime]:
        return lambda: self.regime

    def alarms(self, kind: str) -> float | None:
        """How many of a kind were raised; None for none."""
        labels = {"pack": "access", "stage": "test", "kind": kind}
        return self._metrics.registry.get_sample_value("centinela_alarms_total", labels)

    def taken(self, partition: int = 0) -> list[ActionTaken]:
        """The first answer to each record, line by line."""
        decoder = msgspec.json.Decoder(ActionTaken)
        first: dict[bytes | None, bytes] = {}
        for record in self.broker.topics[actions_topic("access")].partitions[partition]:
            first.setdefault(record.header("source-offset"), record.value)
        return [each for value in first.values() for each in decoder.decode_lines(value)]


def answers(*events: ScoredEvent, regime: Regime | None = None) -> list[ActionTaken]:
    """The answers to some events in one record."""
    decisions = Decisions()
    decisions.regime = regime or decisions.regime
    decisions.send(*events)
    decisions.run()
    return decisions.taken()
