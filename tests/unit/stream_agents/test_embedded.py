"""Both stages in one process: what is sent is answered, whatever is let go of meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from models.artifacts import champion_of
from models.catalog import pack_named
from models.contracts import ActionTaken
from models.lists import Entry
from producer.publisher import records_of
from producer.records import OutRecord, actions_topic, decisions_topic, events_topic
from stream_agents.answers import Replies
from stream_agents.embedded import Bounds, EmbeddedPipeline, wall_clock_ms
from stream_agents.memory import RECORD_BYTES, MemoryRetained
from tests.unit.stream_agents.pipeline import attack, line

PACK = pack_named("access")
CHAMPION = champion_of("access")
PARTITIONS = 4
CLIENTS = [f"203.0.113.{number}" for number in range(1, 21)]
LONG_AGO = "2025-03-03T12:00:00Z"
WITHIN_S = 20.0
TINY = Bounds(partition_bytes=20_000, result_bytes=20_000, entities=40, decisions=10)


def pipeline(bounds: Bounds | None = None) -> EmbeddedPipeline:
    return EmbeddedPipeline(PACK, CHAMPION, PARTITIONS, bounds)


def batch(name: str, clients: Sequence[str] = CLIENTS) -> list[OutRecord]:
    """An ordinary request of each client, and an attack of the first."""
    events = [line(c, event_id=f"{name}-{c}", occurred_at=LONG_AGO) for c in clients]
    events.append(attack(clients[0], event_id=f"{name}-attack", occurred_at=LONG_AGO))
    lines = [(name, msgspec.json.decode(event)["client_ip"], event) for event in events]
    return records_of(PACK.name, lines, PARTITIONS, batch=name, reply="test")


async def answered(of: EmbeddedPipeline, replies: Replies, name: str) -> list[ActionTaken]:
    """What is answered to a batch, as the API would wait for it."""
    records = batch(name)
    await replies.open(name, b"", len(records))
    await of.send(records)
    parts = await replies.wait(name, WITHIN_S)
    decoder = msgspec.json.Decoder(ActionTaken)
    assert len(parts) == len(records)
    return [each for lines in parts.values() for each in decoder.decode_lines(lines)]


async def test_what_is_sent_is_answered_over_all_partitions() -> None:
    embedded = pipeline()
    async with embedded.running():
        taken = await answered(embedded, embedded.results.replies("test"), "b")

    ends = embedded.broker.ends(actions_topic(PACK.name))
    assert {each.event_id for each in taken if each.action == "block"} == {"b-attack"}
    assert len(taken) == len(CLIENTS) + 1
    assert {p for p, end in ends.items() if end} == set(range(PARTITIONS))
    assert await embedded.kept.find("b-attack") is not None


async def test_what_was_sent_before_it_runs_is_answered_too() -> None:
    embedded = pipeline()
    replies = embedded.results.replies("test")
    await replies.open("b", b"", PARTITIONS)
    await embedded.send(batch("b"))

    async with embedded.running():
        assert len(await replies.wait("b", WITHIN_S)) == PARTITIONS


async def test_both_stages_commit_what_they_have_folded() -> None:
    embedded = pipeline()
    async with embedded.running():
        await answered(embedded, embedded.results.replies("test"), "b")
        # A chunk is committed once nothing more has queued.
        await asyncio.sleep(0.05)

    assert embedded.states.fences.keys() == embedded.standings.fences.keys() == {0, 1, 2, 3}
    assert {client for _, client in embedded.states.states} == set(CLIENTS)


async def test_a_changed_list_is_in_force_while_it_runs() -> None:
    embedded = pipeline()
    replies = embedded.results.replies("test")
    async with embedded.running():
        now_us = wall_clock_ms() * 1000
        await embedded.regimes.add(Entry("allow", CLIENTS[0], now_us), now_us)
        async with asyncio.timeout(WITHIN_S):
            while embedded.regime.now().lists.revision == 0:
                await asyncio.sleep(0.05)
        taken = await answered(embedded, replies, "b")

    assert {each.action for each in taken} == {"allow"}


async def test_it_goes_on_within_its_bounds_and_answers_everything() -> None:
    """Thirty times what it may keep goes through, from ever new clients."""
    embedded = pipeline(TINY)
    replies = embedded.results.replies("test")
    async with embedded.running():
        for number in range(60):
            taken = await answered(embedded, replies, f"b{number}")
            assert len(taken) == len(CLIENTS) + 1
            assert within_bounds(embedded, TINY)
        for number in range(20):
            await embedded.send(batch(f"n{number}", [f"10.0.{number}.{n}" for n in range(20)]))
            await asyncio.sleep(0)
            assert within_bounds(embedded, TINY)

    events = MemoryRetained(embedded.broker, events_topic(PACK.name))
    assert all(span.start > 0 for span in events.spans().values())
    assert alarms(embedded) == {}


def within_bounds(embedded: EmbeddedPipeline, bounds: Bounds) -> bool:
    topics = embedded.broker.topics
    held = [sum(map(size_of, log)) for topic in topics.values() for log in topic.partitions]
    batches = embedded.results.batches.values()
    results = sum(len(part) for parts in batches for part in parts.values())
    return (
        max(held) <= bounds.partition_bytes
        and results <= bounds.result_bytes
        and len(embedded.states.states) <= bounds.entities
        and len(embedded.kept.kept) <= bounds.decisions
    )


def size_of(record: Any) -> int:
    return len(record.value) + RECORD_BYTES


def alarms(embedded: EmbeddedPipeline) -> dict[str, float]:
    return {
        sample.labels["kind"]: sample.value
        for metrics in embedded.metrics
        for family in metrics.registry.collect()
        if family.name == "centinela_alarms"
        for sample in family.samples
        if sample.name == "centinela_alarms_total" and sample.value
    }


async def test_an_agent_that_fails_ends_the_block_with_its_error() -> None:
    embedded = pipeline()
    del embedded.broker.topics[decisions_topic(PACK.name)].partitions[:]

    with pytest.raises(ExceptionGroup) as ended:
        async with embedded.running():
            await asyncio.sleep(WITHIN_S)

    assert ended.group_contains(IndexError)
