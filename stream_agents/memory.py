"""Log and store in one process: the same promises as Kafka and Redis, without a server.

The worker runs over them unchanged, in the embedded demo, in tests and in simulation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from uuid import uuid4

from feature_store.fence import Reply, Turn
from producer.records import Headers, OutRecord, Record

RECORD_BYTES = 500
"""What a record takes beside its value: headers, objects, and its place in a list."""


@dataclass(slots=True)
class Topic:
    """The records of each partition that are there, and an id of its own.

    A partition's list only grows; where records are taken off its beginning, another list takes
    its place, so that a reader in another thread has either.

    Args:
        ends: The offset that the next record of each partition will have.
        held: Bytes of each partition's records.
    """

    partitions: list[list[Record]]
    ends: list[int]
    held: list[int]
    id: str = field(default_factory=lambda: uuid4().hex)


class MemoryBroker:
    """Topics in memory.

    Args:
        now_ms: The clock that stamps records, milliseconds since 1970.
        retained_bytes: Of each partition, about; the oldest records beyond it go, as Kafka's do
            beyond `retention.bytes`, whether they were read or not. Without a limit if None.
    """

    def __init__(self, now_ms: Callable[[], int], retained_bytes: int | None = None) -> None:
        self.topics: dict[str, Topic] = {}
        self._now_ms = now_ms
        self._retained_bytes = retained_bytes
        self._arrival = asyncio.Event()

    def create(self, name: str, partitions: int) -> None:
        """Creates a topic, or creates it again: empty, and with a new id."""
        self.topics[name] = Topic(
            [[] for _ in range(partitions)], [0] * partitions, [0] * partitions
        )

    def produce(self, topic: str, partition: int, value: bytes, headers: Headers = ()) -> Record:
        to = self.topics[topic]
        record = Record(partition, to.ends[partition], self._now_ms(), value, headers)
        to.partitions[partition].append(record)
        to.ends[partition] += 1
        to.held[partition] += size_of(record)
        if self._retained_bytes is not None and to.held[partition] > self._retained_bytes:
            self._make_room(topic, partition, self._retained_bytes)
        self._arrival.set()
        self._arrival = asyncio.Event()
        return record

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """What retention does: the records before an offset are there no more."""
        of = self.topics[topic]
        log = of.partitions[partition]
        gone = place_of(log, offset)
        of.held[partition] -= sum(map(size_of, log[:gone]))
        of.partitions[partition] = log[gone:]

    def ends(self, topic: str) -> dict[int, int]:
        """Partition to the offset that its next record will have."""
        return dict(enumerate(self.topics[topic].ends))

    def next_offset(self, topic: str, partition: int, offset: int) -> int:
        """The offset of the first record at or after the one given, else of the next one."""
        log = self.topics[topic].partitions[partition]
        place = place_of(log, offset)
        return log[place].offset if place < len(log) else max(offset, self.ends(topic)[partition])

    async def arrival(self) -> None:
        """Returns when the next record is produced, to any topic."""
        await self._arrival.wait()

    def _make_room(self, topic: str, partition: int, limit: int) -> None:
        """Lets the oldest go, an eighth more than needed: not each new record copies the list."""
        of = self.topics[topic]
        log, excess, gone = of.partitions[partition], of.held[partition] - limit * 7 // 8, 0
        while excess > 0 and gone < len(log) - 1:
            excess -= size_of(log[gone])
            gone += 1
        self.delete_before(topic, partition, log[gone].offset)


def size_of(record: Record) -> int:
    return len(record.value) + RECORD_BYTES


def place_of(log: Sequence[Record], offset: int) -> int:
    """Where in a partition's list an offset stands, or would stand; no offset is left out."""
    return min(max(0, offset - log[0].offset), len(log)) if log else 0


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
        return self._broker.next_offset(self._topic, partition, offset)

    def assign(self, offsets: Mapping[int, int]) -> None:
        """Reads these partitions and no others, each from its offset."""
        self._positions = dict(offsets)

    def take(self, most: int = 500) -> list[Record]:
        """What has queued up; empty if nothing has."""
        taken: list[Record] = []
        topic = self._broker.topics[self._topic]
        for partition, position in sorted(self._positions.items()):
            log = topic.partitions[partition]
            start = place_of(log, position)
            if queued := log[start : start + most]:
                self._positions[partition] = queued[-1].offset + 1
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
            partition: range(self._first(partition, since_ms, end), end)
            for partition, end in ends.items()
        }

    def read(self, partition: int, offsets: range) -> Iterator[Record]:
        log = self._log(partition)
        yield from log[place_of(log, offsets.start) : place_of(log, offsets.stop)]

    def record(self, partition: int, offset: int) -> Record | None:
        return next(self.read(partition, range(offset, offset + 1)), None)

    def _first(self, partition: int, since_ms: int, end: int) -> int:
        """Of the records that are there, the first of a time or later."""
        return next((r.offset for r in self._log(partition) if r.at_ms >= since_ms), end)

    def _log(self, partition: int) -> list[Record]:
        return self._broker.topics[self.topic].partitions[partition]


class MemoryStore:
    """The online store in a dictionary; a fence is compared as Redis would.

    Args:
        most_states: Entities that are kept, about; those that changed longest ago are forgotten
            beyond it, as Redis forgets them after a time. All are kept if None.
    """

    def __init__(self, most_states: int | None = None) -> None:
        self.fences: dict[int, bytes] = {}
        self.states: dict[tuple[int, str], bytes] = {}
        self.rings: dict[int, bytearray] = {}
        self._most_states = most_states

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
                self.states.pop((partition, entity), None)  # it moves to the end: the newest
                self.states[partition, entity] = state
            self._forget_oldest()
            for offset, piece in commit.seen:
                self._write(partition, offset, piece)
            self.fences[partition] = commit.fence
        states = [self.states.get((partition, entity)) for entity in turn.read]
        return Reply(self.fences.get(partition, b""), states)

    def _forget_oldest(self) -> None:
        """An eighth more than needed: finding the first of a dictionary can be slow."""
        if self._most_states is None or len(self.states) <= self._most_states:
            return
        excess = len(self.states) - self._most_states * 7 // 8
        for oldest in list(islice(self.states, excess)):
            del self.states[oldest]

    def _write(self, partition: int, offset: int, piece: bytes) -> None:
        ring = self.rings.setdefault(partition, bytearray())
        ring.extend(bytes(max(0, offset + len(piece) - len(ring))))
        ring[offset : offset + len(piece)] = piece
