"""The recorder on a real Kafka and PostgreSQL: killed, frozen, left alone, it loses nothing."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from api.settings import ApiSettings
from api.wiring import build
from feature_store.fence import Fence, decode_fence
from models.catalog import pack_named
from models.contracts import ActionTaken
from producer.settings import Connections
from scripts.bench import load
from stream_agents.postgres import Database
from tests.integration.agents import (
    PARTITIONS,
    Agent,
    await_actions,
    first_copies,
    publish,
    running,
    start_afresh,
)
from tests.stacks import Postgres, Stack

KILLS = int(os.environ.get("CENTINELA_KILLS", "2"))
"""Of each agent."""
EVENTS = 12_000
WITHIN_S = 60.0
OUTCOMES = ("decided", "duplicate", "late", "dead")

Place = tuple[int, int, int]
Told = tuple[str, str, str | None]
LINES = msgspec.json.Decoder(ActionTaken)


def some(seed: int) -> list[tuple[str, bytes]]:
    """Events of every kind: a few come twice, and a few cannot be read."""
    until = time.time_ns() // 1000
    made = list(
        load.lines(pack_named("access"), EVENTS, 500, is_flat=False, seed=seed, until_us=until)
    )
    made += made[:300]
    made += [(client, b"not json") for client, _ in made[:20]]
    random.Random(seed).shuffle(made)
    return made


def ask(postgres: Postgres, query: str) -> list[tuple[Any, ...]]:
    async def asked() -> list[tuple[Any, ...]]:
        async with aclosing(Database(postgres.url)) as database:
            return await database.rows(query)

    return asyncio.run(asked())


def empty(postgres: Postgres) -> None:
    async def emptied() -> None:
        async with aclosing(Database(postgres.url)) as database, database.transaction() as at:
            await at.run("DROP TABLE IF EXISTS decisions, fences, centinela_migrations")

    asyncio.run(emptied())


def recorded(postgres: Postgres) -> dict[Place, Told]:
    """All rows, each told by its place."""
    query = "SELECT partition, source_offset, line, event_id, outcome, action FROM decisions"
    rows = ask(postgres, query)
    found = {row[:3]: row[3:] for row in rows}
    assert len(found) == len(rows)
    return found


def answered(stack: Stack, records: int) -> dict[Place, Told]:
    """What a careful reader of `actions.access` keeps."""
    told: dict[Place, Told] = {}
    for (partition, offset), value in first_copies(await_actions(stack.kafka, records)).items():
        for line, taken in enumerate(LINES.decode_lines(value)):
            told[partition, offset, line] = (taken.event_id, str(taken.outcome), taken.action)
    return told


def totals(postgres: Postgres) -> dict[str, int]:
    """By outcome, as the fences have them."""
    fences = [decode_fence(text.encode()) for (text,) in ask(postgres, "SELECT fence FROM fences")]
    return {name: sum(getattr(fence or Fence(""), name) for fence in fences) for name in OUTCOMES}


def assert_all_is_recorded(stack: Stack, postgres: Postgres, records: int) -> None:
    """Each answer is one row, and the fences count what there is."""
    expected = answered(stack, records)
    deadline = time.monotonic() + WITHIN_S
    while sum(totals(postgres).values()) < len(expected):
        assert time.monotonic() < deadline, f"{totals(postgres)} of {len(expected)}"
        time.sleep(0.2)
    assert recorded(postgres) == expected
    ended = Counter(outcome for _, outcome, _ in expected.values())
    assert totals(postgres) == {name: ended[name] for name in OUTCOMES}
    assert min(ended["decided"], ended["duplicate"], ended["dead"]) > 0


def agents(stack: Stack, postgres: Postgres, folder: Path) -> tuple[Agent, Agent, Agent]:
    start_afresh(stack)
    return (
        Agent("ingestion", stack, folder),
        Agent("decision", stack, folder),
        Agent("recorder", stack, folder, postgres=postgres.url),
    )


def shares(lines: Sequence[tuple[str, bytes]], number: int) -> list[Sequence[tuple[str, bytes]]]:
    each = -(-len(lines) // number)
    return [lines[first : first + each] for first in range(0, len(lines), each)]


@pytest.mark.timeout(300)
def test_killed_agents_record_each_answer_once(
    stack: Stack, postgres: Postgres, tmp_path: Path
) -> None:
    empty(postgres)
    ingestion, decision, recorder = agents(stack, postgres, tmp_path)
    chance, records = random.Random(31), 0
    with running(ingestion, decision, recorder):
        for number, share in enumerate(shares(some(seed=31), 2 * KILLS)):
            records += publish(stack.kafka, share)
            time.sleep(chance.uniform(0.0, 0.4))
            victim = (recorder, decision)[number % 2]
            victim.kill()
            victim.start()
            victim.await_healthy()

        assert_all_is_recorded(stack, postgres, records)


@pytest.mark.timeout(300)
def test_a_postgres_that_goes_and_comes_back_costs_nothing(
    stack: Stack, postgres: Postgres, tmp_path: Path
) -> None:
    empty(postgres)
    ingestion, decision, recorder = agents(stack, postgres, tmp_path)
    first, second, third = shares(some(seed=32), 3)
    with running(ingestion, decision, recorder):
        records = publish(stack.kafka, first)
        with postgres.away():
            records += publish(stack.kafka, second)
            await_actions(stack.kafka, records)
            time.sleep(1)
        records += publish(stack.kafka, third)

        assert_all_is_recorded(stack, postgres, records)
        assert recorder.process is not None
        assert recorder.process.poll() is None
    assert "waiting for a part that is away" in recorder.log()


@pytest.mark.timeout(300)
def test_a_recorder_that_was_frozen_writes_nothing_of_what_it_has_lost(
    stack: Stack, postgres: Postgres, tmp_path: Path
) -> None:
    empty(postgres)
    ingestion, decision, frozen = agents(stack, postgres, tmp_path)
    heir = Agent("recorder", stack, tmp_path, instance="heir", postgres=postgres.url)
    first, second, third = shares(some(seed=33), 3)
    with running(ingestion, decision, frozen):
        records = publish(stack.kafka, first)
        time.sleep(0.3)
        frozen.send(signal.SIGSTOP)
        heir.start()
        try:
            heir.await_healthy()
            records += publish(stack.kafka, second)
            assert_all_is_recorded(stack, postgres, records)
            frozen.send(signal.SIGCONT)
            records += publish(stack.kafka, third)

            assert_all_is_recorded(stack, postgres, records)
        finally:
            heir.kill()


@pytest.mark.timeout(300)
def test_a_recorder_that_is_told_to_stop_leaves_nothing_open(
    stack: Stack, postgres: Postgres, tmp_path: Path
) -> None:
    empty(postgres)
    ingestion, decision, recorder = agents(stack, postgres, tmp_path)
    with running(ingestion, decision, recorder):
        records = publish(stack.kafka, some(seed=34))
        answered(stack, records)

        assert recorder.stop() == 0
    open_yet = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'centinela'"
    assert ask(postgres, open_yet) == [(1,)]  # the one that asks


@pytest.mark.timeout(300)
async def test_what_was_recorded_is_listed_and_explained(
    stack: Stack, postgres: Postgres, tmp_path: Path
) -> None:
    await asyncio.to_thread(empty, postgres)
    three = await asyncio.to_thread(agents, stack, postgres, tmp_path)
    with running(*three):
        records = publish(stack.kafka, some(seed=35))
        await asyncio.to_thread(assert_all_is_recorded, stack, postgres, records)
        connections = Connections(
            kafka=stack.kafka, redis=stack.redis, postgres=postgres.url, partitions=PARTITIONS
        )
        app = build(ApiSettings(), connections)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://api", timeout=30) as client,
        ):
            allowed = await all_pages(client, "action=allow")
            dead = await all_pages(client, "outcome=dead")
            explained = await client.get(f"/v1/decisions/{allowed[0]['event_id']}")

    told = Counter(each["outcome"] for each in (*allowed, *dead))
    kept = await asyncio.to_thread(recorded, postgres)
    assert told["decided"] == sum(action == "allow" for _, _, action in kept.values())
    assert told["dead"] == sum(outcome == "dead" for _, outcome, _ in kept.values())
    assert explained.status_code == 200, explained.text
    assert explained.json()["answer"]["action"] == "allow"
    assert explained.json()["event"]["fields"]["event_id"] == allowed[0]["event_id"]


async def all_pages(client: httpx.AsyncClient, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = (await client.get(f"/v1/decisions?{query}&limit=200{cursor}")).json()
        found += page["decisions"]
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"
