"""The two transports under a worker: in memory, and the production one on a real Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Protocol
from uuid import uuid4

from confluent_kafka import TopicPartition
from confluent_kafka.cimpl import NewTopic

from producer.records import Record
from producer.topics import end_offsets, topic_id
from stream_agents.memory import MemoryBroker, MemoryLog, MemoryStore
from stream_agents.metrics import StageMetrics
from stream_agents.rim import FaustLog, Rim, agent_publisher, build_app
from stream_agents.settings import AgentSettings
from stream_agents.worker import Log, Worker
from tests.topics import admin_client
from tests.unit.stream_agents.counting import CountingStage

PARTITIONS = 2
WITHIN_S = 30.0
NEVER_S = 3600.0
EMIT_WITHIN_S = 30.0


class Transport(Protocol):
    """A log, the topic that it reads and writes, and the broker behind both."""

    topic: str

    @property
    def log(self) -> Log: ...

    async def read(self, count: int) -> list[Record]:
        """The next records, as soon as there are so many."""

    def ends(self) -> dict[int, int]:
        """Partition to the offset that its next record will have, as the broker has it."""

    def delete_before(self, partition: int, offset: int) -> None:
        """What retention does."""


class InMemory:
    def __init__(self) -> None:
        self.topic = "log"
        self._broker = MemoryBroker(lambda: 1_767_225_600_000)
        self._broker.create(self.topic, PARTITIONS)
        self.log = MemoryLog(self._broker, self.topic)
        self.log.assign(dict.fromkeys(range(PARTITIONS), 0))

    async def read(self, count: int) -> list[Record]:
        records: list[Record] = []
        while len(records) < count:
            taken = self.log.take()
            assert taken, f"{len(records)} of {count} records are there"
            records += taken
        return records

    def ends(self) -> dict[int, int]:
        return self._broker.ends(self.topic)

    def delete_before(self, partition: int, offset: int) -> None:
        self._broker.delete_before(self.topic, partition, offset)


class Reader(Worker):
    """A worker that only notes what it is given, as it is given it."""

    def __init__(self, log: Log, epoch: str = "") -> None:
        metrics = StageMetrics("test", "reader")
        super().__init__(CountingStage(""), MemoryStore(), log, epoch, metrics)
        self.records: list[Record] = []
        self.is_assigned = asyncio.Event()
        self.arrived = asyncio.Event()

    async def assigned(self, partitions: Collection[int]) -> dict[int, int]:
        self.is_assigned.set()
        return dict.fromkeys(partitions, 0)

    async def process(
        self, records: Sequence[Record], within: Collection[int] | None = None
    ) -> None:
        self.records += records
        self.arrived.set()


class OnKafka:
    def __init__(self, topic: str, kafka: str) -> None:
        self.topic = topic
        self.ended = asyncio.Event()
        self._kafka = kafka
        settings = AgentSettings(kafka=kafka, stalled_s=NEVER_S)
        self._app = app = build_app(topic, settings, "")
        self._publisher = agent_publisher(kafka, EMIT_WITHIN_S)
        self.log = FaustLog(app, topic, kafka, self._publisher)
        self.reader = Reader(self.log, topic_id(kafka, topic))
        self.rim = Rim(app, topic, self.reader, StageMetrics("test", "reader"), settings)

    async def read(self, count: int) -> list[Record]:
        async with asyncio.timeout(WITHIN_S):
            while len(self.reader.records) < count:
                self.reader.arrived.clear()
                await self.reader.arrived.wait()
        records, self.reader.records = self.reader.records, []
        return records

    def ends(self) -> dict[int, int]:
        return end_offsets(self._kafka, self.topic)

    def delete_before(self, partition: int, offset: int) -> None:
        admin = admin_client(self._kafka)
        place = TopicPartition(self.topic, partition, offset)
        for deleted in admin.delete_records([place]).values():
            deleted.result(WITHIN_S)

    async def crash(self, reason: Exception) -> None:
        """What Faust does to itself where it cannot go on."""
        await self._app.crash(reason)

    async def run(self) -> None:
        try:
            await self.rim.run()
        finally:
            self.ended.set()
            await self._app.stop()
            await self._publisher.aclose()


@asynccontextmanager
async def on_kafka(kafka: str) -> AsyncIterator[OnKafka]:
    """A log on a topic of its own, read from the beginning."""
    topic = f"log-{uuid4().hex}"
    admin = admin_client(kafka)
    for made in admin.create_topics([NewTopic(topic, PARTITIONS, 1)]).values():
        made.result(WITHIN_S)
    transport = OnKafka(topic, kafka)
    running = asyncio.create_task(transport.run())
    async with asyncio.timeout(WITHIN_S):
        await transport.reader.is_assigned.wait()
    try:
        yield transport
    finally:
        transport.rim.stop()
        await running
