"""What a log amounts to, folded from nothing in this process, without Kafka and Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from feature_store.fence import Fence, decode_fence
from models.artifacts import Champion, champion_of
from models.catalog import pack_named
from producer.records import DEAD_LETTER, Record
from stream_agents.answers import MemoryResults
from stream_agents.engine import Decision, Detection
from stream_agents.memory import MemoryBroker, MemoryLog, MemoryStore
from stream_agents.metrics import StageMetrics
from stream_agents.stage import Stage
from stream_agents.worker import Worker
from tests.faults.cluster import ACTIONS, DECISIONS, EVENTS, PACK

TAKEN = 7
"""Records a partition and chunk: how a log is cut changes no result."""

Key = tuple[int, int]
"""Partition and offset of an event record."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One life of the events topic: its id, and its records by partition."""

    id: str
    logs: Sequence[Sequence[Record]]


@dataclass(frozen=True, slots=True)
class Books:
    """What a pipeline has, or should have, by stage, `ingestion` and `decision`, where it says so.

    Args:
        actions: Event record to the value of its final answer.
        dead: `(topic, partition, offset, line)` to the bytes of a dead letter.
        states: By stage, (partition, entity) to its encoded state.
        rings: By stage, partition to the ring of remembered event ids.
        fences: By stage, partition to its fence.
    """

    actions: Mapping[Key, bytes]
    dead: Mapping[tuple[str, int, int, int], bytes]
    states: Mapping[str, Mapping[tuple[int, str], bytes]]
    rings: Mapping[str, Mapping[int, bytes]]
    fences: Mapping[str, Mapping[int, Fence]]


def fold(epochs: Sequence[Epoch], partitions: int) -> Books:
    """Fold the lives of the events topic one after another; answers are those of the last.

    Two with one id are one life with a gap between: what is missing was deleted before its fold.
    """
    stores = {"ingestion": MemoryStore(), "decision": MemoryStore()}
    broker = MemoryBroker(lambda: 0)
    for topic in (EVENTS, DECISIONS, ACTIONS):
        broker.create(topic, partitions)
    broker.create(DEAD_LETTER, 1)
    for epoch in epochs:
        broker.create(EVENTS, partitions)
        events = broker.topics[EVENTS]
        events.partitions = [list(log) for log in epoch.logs]
        events.ends = [log[-1].offset + 1 if log else 0 for log in epoch.logs]
        events.id = epoch.id
        asyncio.run(_fold_one(broker, stores))
    return Books(
        actions=_answers(broker, epochs[-1].id),
        dead=dead_letters(broker.topics[DEAD_LETTER].partitions[0]),
        states={stage: store.states for stage, store in stores.items()},
        rings={s: {p: bytes(r) for p, r in store.rings.items()} for s, store in stores.items()},
        fences={s: _fences(store) for s, store in stores.items()},
    )


def dead_letters(log: Sequence[Record]) -> dict[tuple[str, int, int, int], bytes]:
    """The first copy of each dead letter, by the place that its headers name."""
    found: dict[tuple[str, int, int, int], bytes] = {}
    for record in log:
        if record.header("retried"):
            continue  # a note that a letter was put back
        topic = (record.header("topic") or b"").decode()
        partition, offset, line = (
            int(record.header(name) or -1) for name in ("partition", "offset", "line")
        )
        found.setdefault((topic, partition, offset, line), record.value)
    return found


def source_of(record: Record) -> tuple[str, int]:
    """Id of the topic and offset of the record that this one answers."""
    epoch = (record.header("source-epoch") or b"").decode()
    return epoch, int(record.header("source-offset") or b"-1")


async def _fold_one(broker: MemoryBroker, stores: Mapping[str, MemoryStore]) -> None:
    pack = pack_named(PACK)
    await _drain(broker, EVENTS, Detection(pack, _champion()), stores["ingestion"])
    await _drain(broker, DECISIONS, Decision(pack, MemoryResults()), stores["decision"])


async def _drain(broker: MemoryBroker, topic: str, stage: Stage, store: MemoryStore) -> None:
    transport = MemoryLog(broker, topic)
    of = broker.topics[topic]
    worker = Worker(stage, store, transport, of.id, StageMetrics(PACK, "oracle"))
    transport.assign(await worker.assigned(range(len(of.partitions))))
    while records := transport.take(TAKEN):
        await worker.process(records)
    await worker.settle()


def _answers(broker: MemoryBroker, epoch: str) -> dict[Key, bytes]:
    events_of = {
        (record.partition, record.offset): source_of(record)
        for log in broker.topics[DECISIONS].partitions
        for record in log
    }
    answers = {}
    for log in broker.topics[ACTIONS].partitions:
        for record in log:
            source_epoch, offset = events_of[record.partition, source_of(record)[1]]
            if source_epoch == epoch:
                answers[record.partition, offset] = record.value
    return answers


def _fences(store: MemoryStore) -> dict[int, Fence]:
    found = {p: decode_fence(stored) for p, stored in store.fences.items()}
    return {p: fence for p, fence in found.items() if fence is not None}


@lru_cache
def _champion() -> Champion:
    return champion_of(PACK)
