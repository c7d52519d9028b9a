"""A pack's pipeline in this process: both stages under their workers, over log and store in memory.

It is what the two agents are around Kafka and Redis, and bounded: left running, it keeps the newest
of everything.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from models.artifacts import Champion
from models.pack import DomainPack
from producer.records import (
    DEAD_LETTER,
    OutRecord,
    actions_topic,
    decisions_topic,
    events_topic,
)
from stream_agents.answers import MemoryResults
from stream_agents.engine import Decision, Detection
from stream_agents.kept import MemoryDecisions
from stream_agents.memory import MemoryBroker, MemoryLog, MemoryStore
from stream_agents.metrics import StageMetrics
from stream_agents.regimes import Current, MemoryRegimes
from stream_agents.stage import Stage
from stream_agents.worker import Worker

MIB = 1024 * 1024
TAKE_RECORDS = 8
"""Of each partition; what makes a chunk longer makes callers wait, as one loop does all."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a pipeline in memory keeps, about; the oldest goes.

    Args:
        partition_bytes: Of each partition of a topic.
        result_bytes: Of the answers to batches.
        entities: Whose features are kept.
        decisions: Answers other than allow that are kept to be explained.
    """

    partition_bytes: int = 8 * MIB
    result_bytes: int = 32 * MIB
    entities: int = 100_000
    decisions: int = 20_000


class EmbeddedAgent:
    """One stage under its worker, on all partitions of a topic in memory.

    Args:
        take_records: Of each partition; at most so many make one chunk.
    """

    def __init__(
        self,
        stage: Stage,
        broker: MemoryBroker,
        topic: str,
        store: MemoryStore,
        metrics: StageMetrics,
        take_records: int = TAKE_RECORDS,
    ) -> None:
        self._broker = broker
        self._partitions = range(len(broker.topics[topic].partitions))
        self._log = MemoryLog(broker, topic)
        self._worker = Worker(stage, store, self._log, broker.topics[topic].id, metrics)
        self._take_records = take_records

    async def join(self) -> None:
        """Takes the partitions over, each from its fence on."""
        self._log.assign(await self._worker.assigned(self._partitions))

    async def drain(self) -> None:
        """Folds what has queued and commits it."""
        while await self._step():
            await asyncio.sleep(0)  # others have their turn after each chunk

    async def run(self) -> None:
        """Folds what comes, until it is cancelled."""
        await self.join()
        while True:
            await self.drain()
            await self._broker.arrival()

    async def _step(self) -> bool:
        """False, and at once, if there is nothing to do."""
        if records := self._log.take(self._take_records):
            await self._worker.process(records)
        elif self._worker.has_uncommitted:
            await self._worker.settle()
        else:
            return False
        return True


class EmbeddedPipeline:
    """Both agents of a pack, with all that they read and write."""

    def __init__(
        self, pack: DomainPack, champion: Champion, partitions: int, bounds: Bounds | None = None
    ) -> None:
        bounds = bounds or Bounds()
        self.pack = pack
        self.champion = champion
        self.partitions = partitions
        self.broker = MemoryBroker(wall_clock_ms, bounds.partition_bytes)
        create_topics(self.broker, pack, partitions)
        self.states = MemoryStore(bounds.entities)
        self.standings = MemoryStore()
        self.results = MemoryResults(bounds.result_bytes)
        self.kept = MemoryDecisions(bounds.decisions)
        self.regimes = MemoryRegimes()
        self.regime = Current(pack, self.regimes)
        self.metrics = (
            StageMetrics(pack.name, "ingestion", partitions),
            StageMetrics(pack.name, "decision", partitions),
        )
        self._agents = (
            EmbeddedAgent(
                Detection(pack, champion, self.regime.now),
                self.broker,
                events_topic(pack.name),
                self.states,
                self.metrics[0],
            ),
            EmbeddedAgent(
                Decision(pack, self.results, self.regime.now, self.kept),
                self.broker,
                decisions_topic(pack.name),
                self.standings,
                self.metrics[1],
            ),
        )

    async def send(self, records: Sequence[OutRecord]) -> None:
        """Appends to the log, as a publisher does."""
        for record in records:
            self.broker.produce(record.topic, record.partition, record.value, record.headers)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Both agents run until the block is left; an error of either ends the block."""
        async with self.regime.followed(deadline_s=0), asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(agent.run()) for agent in self._agents]
            yield
            for task in running:
                task.cancel()


def create_topics(broker: MemoryBroker, pack: DomainPack, partitions: int) -> None:
    """All topics that the pipeline of a pack reads and writes."""
    for name in (events_topic, decisions_topic, actions_topic):
        broker.create(name(pack.name), partitions)
    broker.create(DEAD_LETTER, 1)


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000
