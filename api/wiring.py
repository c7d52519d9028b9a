"""The application among its real surroundings: Kafka, Redis, and the packs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import islice
from uuid import uuid4

import numpy as np
import structlog
from fastapi import FastAPI

from api.app import Surroundings, create_app
from api.batch import complaints
from api.decisions import Explaining
from api.health import CHECK_WITHIN_S, Check
from api.settings import ApiSettings
from feature_store.kernel import WindowKernel
from feature_store.online import RedisOnlineStore
from models.artifacts import Champion, champion_of
from models.catalog import PACKS
from models.errors import Unavailable
from models.pack import DomainPack
from producer.async_publisher import AsyncPublisher
from producer.records import decisions_topic, events_topic
from producer.retained import KafkaRetained
from producer.settings import Connections
from producer.topics import ensure_topics
from stream_agents.idempotency import RedisIdempotency
from stream_agents.kept import RedisDecisions
from stream_agents.postgres import Database
from stream_agents.postgres_history import PostgresHistory
from stream_agents.recalled import Recalled, Records
from stream_agents.regime_store import RedisRegimes
from stream_agents.regimes import Current, RegimeStore
from stream_agents.results import READ_RETRIES, RedisReplies, connected

SILENCE_S = 2.0
"""An event that Kafka does not give within this time is left out of its explanation."""

Close = Callable[[], Awaitable[None]]

log = structlog.get_logger("api")


def build(settings: ApiSettings, connections: Connections) -> FastAPI:
    """The application as the process runs it; it connects when it starts to serve."""
    publisher = AsyncPublisher(connections.kafka, timeout_s=settings.publish_s)
    replies = RedisReplies(connections.redis, uuid4().hex)
    states = connected(connections.redis, READ_RETRIES)
    stores = {
        pack.name: RedisOnlineStore(states, pack.name, pack.features.entity, pack.features.longest)
        for pack in PACKS
    }
    regimes = {pack.name: RedisRegimes(connections.redis, pack.name) for pack in PACKS}
    load = champions(settings, connections)
    keys = RedisIdempotency(connections.redis)
    closing: list[Close] = [keys.aclose, *(regime.aclose for regime in regimes.values())]
    histories = histories_of(connections, closing)
    explaining = {
        pack.name: explaining_of(
            pack,
            connections,
            regimes[pack.name],
            load[pack.name],
            histories.get(pack.name),
            closing,
        )
        for pack in PACKS
    }
    kafka = partial(require_topics, connections)

    @asynccontextmanager
    async def serving(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(publisher.aclose)
            stack.push_async_callback(states.aclose)
            for close in closing:
                stack.push_async_callback(close)
            await stack.enter_async_context(replies)
            await attempt(kafka)
            for pack in PACKS:
                warm(pack)
            yield

    around = Surroundings(
        publisher=publisher,
        replies=replies,
        packs={pack.name: pack for pack in PACKS},
        stores=stores,
        regimes=regimes,
        explaining=explaining,
        partitions=connections.partitions,
        keys=keys,
        histories=histories,
        checks={"kafka": kafka, "redis": replies.ping, "champion": partial(readable, load)},
    )
    return create_app(settings, around, serving)


async def require_topics(connections: Connections) -> None:
    for pack in PACKS:
        await asyncio.to_thread(ensure_topics, connections.kafka, pack.name, connections.partitions)


async def readable(load: Mapping[str, Callable[[], Champion]]) -> None:
    """Raises InvalidArtifact where a champion cannot be read."""
    for champion in load.values():
        await asyncio.to_thread(champion)


def champions(settings: ApiSettings, connections: Connections) -> dict[str, Callable[[], Champion]]:
    """By pack, what loads the model that the agents judge by."""
    folders = {connections.pack: settings.champion}
    return {pack.name: partial(champion_of, pack.name, folders.get(pack.name)) for pack in PACKS}


def explaining_of(
    pack: DomainPack,
    connections: Connections,
    regimes: RegimeStore,
    load: Callable[[], Champion],
    records: Records | None,
    closing: list[Close],
) -> Explaining:
    """What explains a pack's answers; it connects when it is first asked."""
    kept = RedisDecisions(connections.redis, pack.name)
    events, decisions = (
        KafkaRetained(connections.kafka, topic(pack.name), SILENCE_S)
        for topic in (events_topic, decisions_topic)
    )
    closing += [kept.aclose, *(partial(asyncio.to_thread, e.close) for e in (events, decisions))]
    recalled = Recalled(records, decisions) if records else None
    return Explaining(pack, kept, events, Current(pack, regimes), load, recalled)


def histories_of(connections: Connections, closing: list[Close]) -> dict[str, PostgresHistory]:
    """By pack, all that is recorded; empty where nothing is. It connects when it is first asked."""
    if not connections.postgres:
        return {}
    database = Database(connections.postgres)
    closing.append(database.aclose)
    return {pack.name: PostgresHistory(database, pack.name) for pack in PACKS}


async def attempt(check: Check) -> None:
    """Ask a part, but start without it: `/ready` goes on asking."""
    try:
        async with asyncio.timeout(CHECK_WITHIN_S):
            await check()
    except (Unavailable, TimeoutError) as error:
        log.warning("starting without", error=str(error) or "no answer in time")


def warm(pack: DomainPack) -> None:
    """Compile or load the pack's kernels, so that no caller waits for it."""
    complaints(pack, [event for event, _ in islice(pack.simulate(1, 1), 8)])
    kernel = WindowKernel(pack.features)
    kernel.read([b""], np.zeros(1, np.int64))
