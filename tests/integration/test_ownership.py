"""Somebody else writes a partition's state while its owner folds: an erasure, a sync, a zombie."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from feature_store.fence import decode_fence
from feature_store.online import connect
from models.catalog import pack_named
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

TIMES = 12
EVENTS = 24_000
WITHIN_S = 20.0
"""Less than after which an agent that stands still ends itself."""


async def raise_revisions(url: str) -> int:
    """What every writer but the owner does; how many partitions had been written before."""
    redis: Any = connect(url)  # redis-py's transactions are typed for its other clients only
    raised = 0
    for partition in range(PARTITIONS):
        key = f"fence:{{access.{partition}}}"

        async def write(pipeline: Any, key: str = key) -> int:
            fence = decode_fence(await pipeline.get(key) or b"")
            pipeline.multi()
            if fence is None:
                return 0
            pipeline.set(key, replace(fence, revision=fence.revision + 1).encoded())
            return 1

        raised += await redis.transaction(write, key, value_from_callable=True)
    await redis.aclose()
    return raised


def made(seed: int) -> list[tuple[str, bytes]]:
    until = time.time_ns() // 1000
    pack = pack_named("access")
    return list(load.lines(pack, EVENTS, 500, is_flat=False, seed=seed, until_us=until))


@pytest.mark.timeout(300)
def test_a_copy_that_another_writer_voids_in_mid_flow_costs_nothing(
    stack: Stack, tmp_path: Path
) -> None:
    start_afresh(stack)
    ingestion, decision = Agent("ingestion", stack, tmp_path), Agent("decision", stack, tmp_path)
    lines = made(seed=21)
    share = EVENTS // TIMES
    records = raised = 0
    with running(ingestion, decision):
        for number in range(TIMES):
            records += publish(stack.kafka, lines[number * share : (number + 1) * share])
            raised += asyncio.run(raise_revisions(stack.redis))
        answers = first_copies(await_actions(stack.kafka, records, WITHIN_S))

    assert raised > 0
    assert sorted(answers.values()) == sorted(fold_from_nothing(stack.kafka).actions.values())
    assert '"event":"fence moved by another, copy dropped"' in ingestion.log()
    assert "gap in the log" not in ingestion.log()


@pytest.mark.timeout(300)
def test_an_agent_that_was_frozen_writes_nothing_of_what_it_has_lost(
    stack: Stack, tmp_path: Path
) -> None:
    start_afresh(stack)
    frozen = Agent("ingestion", stack, tmp_path, instance="frozen")
    heir = Agent("ingestion", stack, tmp_path, instance="heir")
    decision = Agent("decision", stack, tmp_path)
    lines = made(seed=22)
    with running(frozen, decision):
        records = publish(stack.kafka, lines[: EVENTS // 2])
        frozen.send(signal.SIGSTOP)
        heir.start()
        try:
            heir.await_healthy()
            records += publish(stack.kafka, lines[EVENTS // 2 :])
            await_actions(stack.kafka, records)
            frozen.send(signal.SIGCONT)
            records += publish(stack.kafka, made(seed=23))
            answers = first_copies(await_actions(stack.kafka, records))
        finally:
            heir.kill()

    assert sorted(answers.values()) == sorted(fold_from_nothing(stack.kafka).actions.values())
