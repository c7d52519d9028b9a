"""Agents killed in mid-replay on real Kafka and Redis: nothing is lost, nothing counted twice."""

from __future__ import annotations

import asyncio
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from feature_store.online import connect
from models.catalog import pack_named
from producer.records import events_topic
from producer.topics import end_offsets
from scripts.bench import load
from tests.integration.agents import (
    PARTITIONS,
    Agent,
    await_actions,
    first_copies,
    fold_from_nothing,
    publish,
    running,
    start_afresh,
)
from tests.stacks import Stack

KILLS = int(os.environ.get("CENTINELA_KILLS", "2"))
"""Of each agent."""
EVENTS = 20_000


def _lines(events: int, seed: int) -> list[tuple[str, bytes]]:
    until = time.time_ns() // 1000
    pack = pack_named("access")
    return list(load.lines(pack, events, 500, is_flat=False, seed=seed, until_us=until))


def _records(kafka: str) -> int:
    return sum(end_offsets(kafka, events_topic("access")).values())


async def _states(url: str, stage: str) -> dict[tuple[int, str], bytes]:
    redis = connect(url)
    found: dict[tuple[int, str], bytes] = {}
    for partition in range(PARTITIONS):
        prefix = f"feature:{{{stage}.{partition}}}:client:"
        keys: list[Any] = [key async for key in redis.scan_iter(f"{prefix}*", count=1000)]
        states: list[Any] = await redis.mget(keys) if keys else []
        for key, state in zip(keys, states, strict=True):
            found[partition, key.decode().removeprefix(prefix)] = state
    await redis.aclose()
    return found


def _assert_books_balance(stack: Stack) -> None:
    """Every record answered once, as if nothing had happened; features equal to the last bit."""
    logs = await_actions(stack.kafka, _records(stack.kafka))
    expected = fold_from_nothing(stack.kafka)
    answers = first_copies(logs)

    assert {key[0] for key in answers} <= set(range(PARTITIONS))
    assert sorted(answers.values()) == sorted(expected.actions.values())
    assert asyncio.run(_states(stack.redis, "access")) == expected.states
    assert asyncio.run(_states(stack.redis, "access.decisions")) == expected.standings
    assert expected.standings


@pytest.mark.timeout(300)
def test_killed_agents_lose_nothing_and_count_nothing_twice(stack: Stack, tmp_path: Path) -> None:
    start_afresh(stack)
    ingestion, decision = Agent("ingestion", stack, tmp_path), Agent("decision", stack, tmp_path)
    lines = _lines(EVENTS, seed=11)
    chance = random.Random(11)
    with running(ingestion, decision):
        share = len(lines) // (2 * KILLS)
        for number in range(2 * KILLS):
            publish(stack.kafka, lines[number * share : (number + 1) * share])
            time.sleep(chance.uniform(0.0, 0.3))
            victim = (ingestion, decision)[number % 2]
            victim.kill()
            victim.start()
            victim.await_healthy()
        publish(stack.kafka, lines[2 * KILLS * share :])

        _assert_books_balance(stack)


@pytest.mark.timeout(300)
def test_a_rebalance_loses_nothing_and_counts_nothing_twice(stack: Stack, tmp_path: Path) -> None:
    start_afresh(stack)
    first = Agent("ingestion", stack, tmp_path, instance="first")
    second = Agent("ingestion", stack, tmp_path, instance="second")
    decision = Agent("decision", stack, tmp_path)
    lines = _lines(EVENTS, seed=12)
    third = len(lines) // 3
    with running(first, decision):
        publish(stack.kafka, lines[:third])
        second.start()
        publish(stack.kafka, lines[third : 2 * third])
        second.await_healthy()
        publish(stack.kafka, lines[2 * third :])
        try:
            assert second.stop() == 0

            _assert_books_balance(stack)
        finally:
            if second.process and second.process.poll() is None:
                second.kill()


@pytest.mark.timeout(300)
def test_a_graceful_stop_repeats_nothing(stack: Stack, tmp_path: Path) -> None:
    start_afresh(stack)
    ingestion, decision = Agent("ingestion", stack, tmp_path), Agent("decision", stack, tmp_path)
    before = _records(stack.kafka)
    with running(ingestion, decision):
        before_actions = await_actions(stack.kafka, before)
        publish(stack.kafka, _lines(EVENTS, seed=13))
        assert ingestion.stop() == 0
        ingestion.start()
        ingestion.await_healthy()
        after = await_actions(stack.kafka, _records(stack.kafka))
        assert ingestion.stop() == 0
        assert decision.stop() == 0

    new_records = _records(stack.kafka) - before
    assert sum(map(len, after)) - sum(map(len, before_actions)) == new_records
