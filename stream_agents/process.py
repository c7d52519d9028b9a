"""An agent's process: wires a stage to its worker, its rim, its metrics and its logs."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any
from uuid import uuid4

import structlog
import uvloop

from feature_store.fence import OnlineStore
from producer.topics import ensure_topics, topic_id
from stream_agents.heap import settle_the_collector
from stream_agents.journal import configure
from stream_agents.metrics import StageMetrics
from stream_agents.rim import FaustLog, Rim, agent_publisher, build_app
from stream_agents.settings import AgentSettings
from stream_agents.stage import Stage
from stream_agents.status import serve
from stream_agents.worker import Limits, Worker

log = structlog.get_logger(__name__)


def run_agent(
    name: str,
    settings: AgentSettings,
    *,
    topic: str,
    stage: Stage,
    store: OnlineStore,
    beside: AbstractAsyncContextManager[None],
    port: int,
) -> None:
    """Runs until SIGTERM; anything unexpected ends the process, and a supervisor restarts it.

    Args:
        beside: Entered before the group is joined, and left at the end: what goes on meanwhile.
    """
    configure(name)
    settle_the_collector()
    # Faust's threads make loops of their own: the policy reaches them all.
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(_or_leave(name, _run(name, settings, topic, stage, store, beside, port)))


async def _or_leave(name: str, running: Coroutine[Any, Any, None]) -> None:
    """Ends the process where it fails.

    Within the loop: its end would wait for tasks of Faust's that outlive their cancelling.
    """
    try:
        await running
    except Exception:  # the process's rim: nothing acknowledged is lost, the next owner redoes it
        log.exception("agent stopped", agent=name)
        sys.stdout.flush()
        sys.stderr.flush()
        # Faust's threads may be in any state now: leave without waiting for them.
        os._exit(1)


async def _run(
    name: str,
    settings: AgentSettings,
    topic: str,
    stage: Stage,
    store: OnlineStore,
    beside: AbstractAsyncContextManager[None],
    port: int,
) -> None:
    metrics = StageMetrics(settings.pack, name, settings.partitions)
    limits = Limits(settings.cached_entities, settings.seen_ids, settings.deadline_s)
    ensure_topics(settings.kafka, settings.pack, settings.partitions)
    epoch = topic_id(settings.kafka, topic)
    app = build_app(name, settings, epoch)
    async with aclosing(agent_publisher(settings.kafka, settings.deadline_s)) as publisher:
        transport = FaustLog(app, topic, settings.kafka, publisher)
        worker = Worker(stage, store, transport, epoch, metrics, limits, uuid4().hex[:12])
        rim = Rim(app, topic, worker, metrics, settings)
        serve(settings.status_host, port, metrics.registry, lambda: rim.is_assigned)
        async with beside:
            await rim.run()
    log.info("agent stopped", agent=name)
