"""Log and store in one process: the same promises as Kafka and Redis, without a server.

The worker runs over them unchanged, in the embedded demo, in tests and in simulation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from feature_store.fence import Reply, Turn
from producer.records import Headers, OutRecord, Record


@dataclass(slots=True)
class Topic:
    """An append-only list of records per partition, and an id of its own.

    Args:
        first: Partition to the offset of its first record, where those before it are gone.
    """

    partitions: list[list[Record]]
    first: dict[int, int] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid4().hex)


class MemoryBroker:
    """Topics in memory.

    Args:
        now_ms: The clock that stamps records, milliseconds since 1970.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.topics: dict[str, Topic] = {}
        self._now_ms = now_ms
        self._arrival = asyncio.Event()

    def create(self, name: str, partitions: int) -> None:
        """Creates a topic, or creates it again: empty, and with a new id."""
        self.topics[name] = Topic([[] for _ in range(partitions)])

    def produce(self, topic: str, partition: int, value: bytes, headers: Headers = ()) -> Record:
        log = self.topics[topic].partitions[partition]
        record = Record(partition, len(log), self._now_ms(), value, headers)
        log.append(record)
        self._arrival.set()
        self._arrival = asyncio.Event()
        return record

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """What retention does: the records before an offset are there no more."""
        self.topics[topic].first[partition] = offset

    def ends(self, topic: str) -> dict[int, int]:
        """Partition to the offset that its next record will have."""
        return dict(enumerate(map(len, self.topics[topic].partitions)))

    async def arrival(self) -> None:
        """Returns when the next record is produced, to any topic."""
        await self._arrival.wait()


class MemoryLog:
    """One worker's consumer and producer."""

    def __init__(self, broker: MemoryBroker, topic: str) -> None:
        self._broker = broker
        self._topic = topic
        self._positions: dict[int, int] = {}

    async def emit(self, records: Sequence[OutRecord]) -> None:
        for record in records:
            self._broker.produce(record.topic, record.partition, record.value, record.headers)

    async def seek(self, offsets: Mapping[int, int]) -> None:
        self._positions |= {p: offset for p, offset in offsets.items() if p in self._positions}

    async def next_offset(self, partition: int, offset: int) -> int:
        return max(offset, self._broker.topics[self._topic].first.get(partition, 0))

    def assign(self, offsets: Mapping[int, int]) -> None:
        """Reads these partitions and no others, each from its offset."""
        self._positions = dict(offsets)

    def take(self, most: int = 500) -> list[Record]:
        """What has queued up; empty if nothing has."""
        taken: list[Record] = []
        topic = self._broker.topics[self._topic]
        for partition, position in sorted(self._positions.items()):
            start = max(position, topic.first.get(partition, 0))
            queued = topic.partitions[partition][start : start + most]
            self._positions[partition] = start + len(queued)
            taken += queued
        return taken


class MemoryRetained:
    """What a topic still holds, read beside its workers."""

    def __init__(self, broker: MemoryBroker, topic: str) -> None:
        self.topic = topic
        self._broker = broker

    def epoch(self) -> str:
        return self._broker.topics[self.topic].id

    def spans(self, since_ms: int = 0) -> dict[int, range]:
        ends = self._broker.ends(self.topic)
        return {
            partition: range(self._first(partition, since_ms), ends[partition])
            for partition in ends
        }

    def read(self, partition: int, offsets: range) -> Iterator[Record]:
        there = range(max(offsets.start, self._first(partition, 0)), offsets.stop)
        yield from self._log(partition)[there.start : there.stop]

    def record(self, partition: int, offset: int) -> Record | None:
        return next(self.read(partition, range(offset, offset + 1)), None)

    def _first(self, partition: int, since_ms: int) -> int:
        """Of the records that are there, the first of a time or later."""
        log, first = self._log(partition), self._broker.topics[self.topic].first.get(partition, 0)
        return next((r.offset for r in log[first:] if r.at_ms >= since_ms), len(log))

    def _log(self, partition: int) -> list[Record]:
        return self._broker.topics[self.topic].partitions[partition]


class MemoryStore:
    """The online store in a dictionary; a fence is compared as Redis would."""

    def __init__(self) -> None:
        self.fences: dict[int, bytes] = {}
        self.states: dict[tuple[int, str], bytes] = {}
        self.rings: dict[int, bytearray] = {}

    async def load(self, partition: int) -> tuple[bytes, bytes]:
        return self.fences.get(partition, b""), bytes(self.rings.get(partition, b""))

    async def state(self, partition: int, entity: str) -> bytes | None:
        return self.states.get((partition, entity))

    async def forget(self, partition: int) -> None:
        self.states = {key: state for key, state in self.states.items() if key[0] != partition}

    async def exchange(self, turns: Sequence[Turn]) -> list[Reply]:
        return [self._turn(turn) for turn in turns]

    def _turn(self, turn: Turn) -> Reply:
        partition, commit = turn.partition, turn.commit
        if commit and self.fences.get(partition, b"") == commit.expected:
            for entity, state in commit.states.items():
                self.states[partition, entity] = state
            for offset, piece in commit.seen:
                self._write(partition, offset, piece)
            self.fences[partition] = commit.fence
        states = [self.states.get((partition, entity)) for entity in turn.read]
        return Reply(self.fences.get(partition, b""), states)

    def _write(self, partition: int, offset: int, piece: bytes) -> None:
        ring = self.rings.setdefault(partition, bytearray())
        ring.extend(bytes(max(0, offset + len(piece) - len(ring))))
        ring[offset : offset + len(piece)] = piece
