"""Kafka and Redis of a run: the log and store in memory, with what the books need noted beside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from feature_store.fence import Reply, Turn
from producer.records import Headers, Record
from stream_agents.answers import MemoryResults
from stream_agents.memory import MemoryBroker, MemoryStore
from tests.simulation.lineage import Node

Place = tuple[str, int, int]
"""Epoch, partition and offset of a record."""


class SimBroker(MemoryBroker):
    """Remembers all that was ever on its topics, and what of it was lost before it was read."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        super().__init__(now_ms)
        self.ever: defaultdict[str, dict[Place, Record]] = defaultdict(dict)
        self.trimmed: defaultdict[str, dict[tuple[str, int], int]] = defaultdict(dict)
        self.arrived: Callable[[str], None] = lambda topic: None

    def create(self, name: str, partitions: int) -> None:
        again = self.topics.get(name)
        super().create(name, partitions)
        number = 1 if again is None else int(again.id.rpartition("-")[2]) + 1
        self.topics[name].id = f"{name}-{number}"

    def produce(self, topic: str, partition: int, value: bytes, headers: Headers = ()) -> Record:
        record = super().produce(topic, partition, value, headers)
        self.ever[topic][self.topics[topic].id, partition, record.offset] = record
        self.arrived(topic)
        return record

    def trim(self, topic: str, partition: int, offset: int) -> None:
        self.delete_before(topic, partition, offset)
        bounds, key = self.trimmed[topic], (self.topics[topic].id, partition)
        bounds[key] = max(offset, bounds.get(key, 0))

    def is_lost(self, topic: str, place: Place) -> bool:
        """Whether a record is in the log no more."""
        epoch, partition, offset = place
        if epoch != self.topics[topic].id:
            return True
        return offset < self.trimmed[topic].get((epoch, partition), 0)


@dataclass(slots=True)
class Snapshot:
    """A store at one moment."""

    fences: dict[int, bytes]
    states: dict[tuple[int, str], bytes]
    rings: dict[int, bytearray]
    touched: dict[tuple[int, str], float]
    heads: dict[int, Node]


class BrokenPromise(Exception):
    """Something was seen that must never be, whatever happens."""


@dataclass(slots=True)
class SimStore:
    """One stage's state on Redis.

    Args:
        keep_s: Time to live of an entity since it was written.
        heads: Per partition, what its state is made of.
        refused: Commits whose fence had been moved by another.
        expired: Entities that were forgotten.
    """

    now_s: Callable[[], float]
    keep_s: float
    memory: MemoryStore = field(default_factory=MemoryStore)
    touched: dict[tuple[int, str], float] = field(default_factory=dict)
    heads: dict[int, Node] = field(default_factory=dict)
    roots: dict[int, Node] = field(default_factory=dict)
    refused: int = 0
    expired: int = 0

    def head(self, partition: int) -> Node:
        return self.heads.setdefault(partition, self.root(partition))

    def root(self, partition: int) -> Node:
        return self.roots.setdefault(partition, Node(None))

    async def take_turn(self, turn: Turn, head: Node | None) -> Reply:
        """One script call.

        Args:
            head: What the turn's commit is made of.
        """
        partition, commit = turn.partition, turn.commit
        self._expire(partition, turn.read)
        before = self.memory.fences.get(partition, b"")
        [reply] = await self.memory.exchange([turn])
        if commit and before == commit.expected:
            assert head is not None
            self.heads[partition] = head
            for entity in commit.states:
                self.touched[partition, entity] = self.now_s()
        elif commit and before != commit.fence:
            self.refused += 1
        return reply

    def _expire(self, partition: int, entities: Sequence[str]) -> None:
        for entity in entities:
            touched = self.touched.get((partition, entity))
            if touched is not None and self.now_s() - touched > self.keep_s:
                del self.memory.states[partition, entity], self.touched[partition, entity]
                self.expired += 1

    def snapshot(self) -> Snapshot:
        of = self.memory
        rings = {partition: bytearray(ring) for partition, ring in of.rings.items()}
        return Snapshot(
            dict(of.fences), dict(of.states), rings, dict(self.touched), dict(self.heads)
        )

    def restore(self, to: Snapshot) -> None:
        """Goes back to an earlier moment, all of it together."""
        self.memory.fences, self.memory.states = dict(to.fences), dict(to.states)
        self.memory.rings = {partition: bytearray(ring) for partition, ring in to.rings.items()}
        self.touched, self.heads = dict(to.touched), dict(to.heads)

    def clear(self) -> None:
        self.restore(Snapshot({}, {}, {}, {}, {}))


@dataclass(slots=True)
class Redis:
    """Everything that one Redis holds; it goes back, or is lost, together.

    Args:
        forgotten: Batches whose answers it had and lost.
    """

    stores: dict[str, SimStore]
    results: MemoryResults
    forgotten: set[str] = field(default_factory=set)

    def snapshot(self) -> tuple[dict[str, Snapshot], dict[str, dict[str, bytes]]]:
        answers = {batch: dict(parts) for batch, parts in self.results.batches.items()}
        return {stage: store.snapshot() for stage, store in self.stores.items()}, answers

    def restore(self, to: tuple[dict[str, Snapshot], dict[str, dict[str, bytes]]]) -> None:
        for stage, snapshot in to[0].items():
            self.stores[stage].restore(snapshot)
        self.forgotten |= self.results.batches.keys() - to[1].keys()
        self.results.batches = {batch: dict(parts) for batch, parts in to[1].items()}

    def clear(self) -> None:
        for store in self.stores.values():
            store.clear()
        self.forgotten |= self.results.batches.keys()
        self.results.batches = {}
