"""The pipeline itself in this process: both stages, each under its worker, over log and store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from models.artifacts import Champion
from models.contracts import ActionTaken
from models.pack import DomainPack
from models.packs.access.events import AccessEvent
from producer.publisher import records_of
from producer.records import actions_topic, decisions_topic, events_topic
from stream_agents.answers import MemoryResults
from stream_agents.embedded import EmbeddedAgent, create_topics
from stream_agents.engine import Decision, Detection
from stream_agents.memory import MemoryBroker, MemoryStore
from stream_agents.metrics import StageMetrics

PARTITIONS = 4
TAKE = 5
"""Records a partition: four times this many, of up to 200 events, are a chunk."""


@dataclass(frozen=True, slots=True)
class Run:
    """What the pipeline made of a stream.

    Args:
        actions: One an event; those of one client are in the order of its events.
        seconds: From the first record read to the last action.
        cpu_s: CPU time of the same.
    """

    actions: Sequence[ActionTaken]
    seconds: float
    cpu_s: float


def run(pack: DomainPack, champion: Champion, events: Sequence[AccessEvent]) -> Run:
    """Sends events through detection and decision; they arrive when the newest one happened."""
    return asyncio.run(_run(pack, champion, events))


async def _run(pack: DomainPack, champion: Champion, events: Sequence[AccessEvent]) -> Run:
    # The engine refuses what is ahead of its record's time: all records come at the end.
    newest = int(pack.columns(events).at.max(initial=0)) // 1000 + 1
    broker = _broker(pack, newest)
    _publish(broker, pack, events)
    began, cpu = time.perf_counter(), time.process_time()
    for stage, topic in (
        (Detection(pack, champion), events_topic(pack.name)),
        (Decision(pack, MemoryResults()), decisions_topic(pack.name)),
    ):
        metrics = StageMetrics(topic, type(stage).__name__)
        agent = EmbeddedAgent(stage, broker, topic, MemoryStore(), metrics, TAKE)
        await agent.join()
        await agent.drain()
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    return Run(list(_taken(broker, pack)), seconds, cpu_s)


def _broker(pack: DomainPack, newest_ms: int) -> MemoryBroker:
    broker = MemoryBroker(lambda: newest_ms)
    create_topics(broker, pack, PARTITIONS)
    return broker


def _publish(broker: MemoryBroker, pack: DomainPack, events: Sequence[AccessEvent]) -> None:
    encode = msgspec.json.Encoder().encode
    lines = ((event.event_id, pack.entity(event), encode(event)) for event in events)
    for record in records_of(pack.name, lines, PARTITIONS):
        broker.produce(record.topic, record.partition, record.value, record.headers)


def _taken(broker: MemoryBroker, pack: DomainPack) -> Iterable[ActionTaken]:
    decoder = msgspec.json.Decoder(ActionTaken)
    for partition in broker.topics[actions_topic(pack.name)].partitions:
        for record in partition:
            yield from decoder.decode_lines(record.value)
