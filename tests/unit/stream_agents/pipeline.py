"""Both stages on one broker in memory, and lines to send through them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any

import msgspec

from models.artifacts import champion_of
from models.catalog import pack_named
from producer.records import (
    DEAD_LETTER,
    Headers,
    Record,
    actions_topic,
    decisions_topic,
    events_topic,
)
from stream_agents.answers import MemoryResults
from stream_agents.engine import Decision, Detection
from stream_agents.kept import MemoryDecisions
from stream_agents.memory import MemoryBroker, MemoryLog, MemoryStore
from stream_agents.metrics import StageMetrics
from stream_agents.stage import Stage
from stream_agents.worker import Worker

PACK = pack_named("access")
CHAMPION = champion_of("access")
EVENTS, DECISIONS, ACTIONS = (
    name(PACK.name) for name in (events_topic, decisions_topic, actions_topic)
)
ARRIVAL = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""When every record comes in."""
LONGEST = PACK.features.longest
MICROSECOND = timedelta(microseconds=1)


def line(client: str = "198.51.100.7", ago: timedelta = timedelta(), **fields: object) -> bytes:
    """An event as it comes in, `ago` before its arrival."""
    usual: dict[str, object] = {
        "occurred_at": (ARRIVAL - ago).isoformat(),
        "client_ip": client,
        "method": "GET",
        "path": "/",
        "status": 200,
    }
    return msgspec.json.encode(usual | fields)


def attack(client: str = "198.51.100.7", ago: timedelta = timedelta(), **fields: object) -> bytes:
    return line(client, ago, path="/../../etc/passwd", **fields)


class Pipeline:
    """events -> decisions -> actions.

    Args:
        chunks: How many records each take brings, in turn; all that has queued if None.

    `now` is when the next record comes in.
    """

    def __init__(self, partitions: int = 1, chunks: Sequence[int] | None = None) -> None:
        self.now = ARRIVAL
        self.broker = MemoryBroker(lambda: int(self.now.timestamp() * 1000))
        for topic in (EVENTS, DECISIONS, ACTIONS):
            self.broker.create(topic, partitions)
            self.broker.topics[topic].id = f"id of {topic}"
        self.broker.create(DEAD_LETTER, 1)
        self.store, self.fences = MemoryStore(), MemoryStore()
        self.results = MemoryResults()
        self.kept = MemoryDecisions()
        self.metrics = {
            topic: StageMetrics("access", topic, partitions, lambda: self.now.timestamp())
            for topic in (EVENTS, DECISIONS)
        }
        self._chunks = chunks or [1_000_000]

    def send(self, *lines: bytes, partition: int = 0, headers: Headers = ()) -> Record:
        """The lines as one record."""
        return self.broker.produce(EVENTS, partition, b"\n".join(lines), headers)

    def run(self) -> None:
        asyncio.run(self.drain())

    async def drain(self) -> None:
        await self.detect()
        await self.decide()

    async def detect(self) -> None:
        await self._drained(EVENTS, Detection(PACK, CHAMPION), self.store)

    async def decide(self) -> None:
        decision = Decision(PACK, self.results, kept=self.kept)
        await self._drained(DECISIONS, decision, self.fences)

    def values(self, topic: str, partition: int = 0) -> list[bytes]:
        return [record.value for record in self.broker.topics[topic].partitions[partition]]

    def outcomes(self, topic: str = ACTIONS, partition: int = 0) -> list[dict[str, Any]]:
        """The lines of a topic, in order."""
        joined = b"\n".join(self.values(topic, partition))
        return [msgspec.json.decode(each) for each in joined.split(b"\n") if each]

    def dead_letters(self) -> list[dict[str, str]]:
        """The headers of what was dead-lettered, with the raw bytes as `value`."""
        return [
            {name: value.decode() for name, value in record.headers}
            | {"value": record.value.decode(errors="replace")}
            for record in self.broker.topics[DEAD_LETTER].partitions[0]
        ]

    def everything(self) -> dict[str, object]:
        """All bytes that were published, answered and stored."""
        return {
            "published": {
                name: [[(r.value, r.headers) for r in log] for log in topic.partitions]
                for name, topic in self.broker.topics.items()
                if name != DEAD_LETTER
            },
            "dead": sorted(map(repr, self.dead_letters())),
            "answers": self.results.batches,
            "kept": self.kept.kept,
            "states": (self.store.states, self.fences.states),
            "seen": self.store.rings,
            "fences": (self.store.fences, self.fences.fences),
        }

    async def _drained(self, topic: str, stage: Stage, store: MemoryStore) -> None:
        log = MemoryLog(self.broker, topic)
        source = self.broker.topics[topic]
        worker = Worker(stage, store, log, source.id, self.metrics[topic])
        log.assign(await worker.assigned(range(len(source.partitions))))
        for records in taken(log.take, cycle(self._chunks)):
            await worker.process(records)
        await worker.settle()


def taken(take: Callable[[int], list[Record]], sizes: Iterable[int]) -> Iterator[list[Record]]:
    """What is there, so many records of each partition at a time."""
    for size in sizes:
        if not (records := take(size)):
            return
        yield records


def ids(outcomes: Iterable[dict[str, Any]]) -> list[tuple[str, str]]:
    """Each line's event id and outcome."""
    return [(each["event_id"], each["outcome"]) for each in outcomes]
