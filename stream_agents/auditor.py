"""The auditor: beside the agents, at the lowest priority, it looks whether they do as they should.

It sends canaries, derives decisions again from the log, and counts the log where that is wanted.
It writes nothing but its canaries; while it is away nothing else is.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, aclosing, suppress
from random import Random
from uuid import uuid4

import structlog

from models.artifacts import champion_of
from models.catalog import pack_named
from models.errors import DetectionError, Unavailable
from models.pack import DomainPack
from producer.async_publisher import AsyncPublisher
from producer.topics import ensure_topics
from stream_agents.audit_metrics import AuditMetrics
from stream_agents.audit_sources import fences_of, topics_of
from stream_agents.audited import account, gaps_of
from stream_agents.canaries import Canaries
from stream_agents.journal import configure
from stream_agents.parity import Judge, compare
from stream_agents.results import READ_RETRIES, RedisReplies, answered, connected
from stream_agents.settings import AuditorSettings
from stream_agents.status import serve
from stream_agents.trails import Topics

log = structlog.get_logger(__name__)

LOWEST = 19
"""Of the priorities of Unix: whatever else wants the processor comes first."""
MOST_BYTES = 64 << 20
"""Of the log, for one decision that is derived again: what wants more is passed over."""
SAMPLES_PER_LOOK = 30
"""So often the fences and the model are looked at anew."""


class Auditor:
    """The looks that need the log alone; they block, and run in threads of their own."""

    def __init__(self, pack: DomainPack, settings: AuditorSettings, metrics: AuditMetrics) -> None:
        self._pack = pack
        self._settings = settings
        self._metrics = metrics
        self._chance = Random()
        self._judge: Judge | None = None
        self._left = 0

    def sample(self) -> None:
        """Derives one decision again; raises `Unavailable`."""
        with ExitStack() as stack:
            topics = topics_of(stack, self._settings.kafka, self._pack.name)
            told = compare(topics, self._judged_by(topics), 1, self._chance)
        self._metrics.compared(told)
        for each in told.differing:
            log.error("decision differs", event_id=each.event_id, place=each.place, what=each.what)

    def count(self) -> None:
        """Counts the whole log; raises `Unavailable`."""
        with ExitStack() as stack:
            topics = topics_of(stack, self._settings.kafka, self._pack.name)
            cut = asyncio.run(fences_of(self._pack, self._settings.redis, topics))
            told = account(self._pack, topics, cut)
        self._metrics.counted(told)
        for line in told.wrong:
            log.error("books do not agree", what=line)

    def _judged_by(self, topics: Topics) -> Judge:
        """The model and the gaps, read again now and then: both may have changed."""
        if self._judge is None or self._left == 0:
            cut = asyncio.run(fences_of(self._pack, self._settings.redis, topics))
            champion = champion_of(self._pack.name, self._settings.champion)
            seen_ids, gaps = self._settings.seen_ids, gaps_of(cut)
            self._judge = Judge(self._pack, champion, seen_ids, gaps, MOST_BYTES)
            self._left = SAMPLES_PER_LOOK
        self._left -= 1
        return self._judge


async def every(seconds: float, look: Callable[[], Awaitable[None]]) -> None:
    """Looks for ever, at most so often; what is away is asked again. Never if it is 0 seconds."""
    while seconds:
        await asyncio.sleep(seconds)
        try:
            await look()
        except DetectionError as error:
            log.warning("cannot look", error=str(error))


async def run(settings: AuditorSettings) -> None:
    """Until SIGTERM or SIGINT."""
    pack = pack_named(settings.pack)
    is_canaried = pack.canary is not None and settings.canary_every_s > 0
    metrics = AuditMetrics(pack.name, settings.partitions, canaries=is_canaried)
    serve(settings.status_host, settings.auditor_port, metrics.registry, lambda: True)
    ensure_topics(settings.kafka, pack.name, settings.partitions)
    auditor, stopping = Auditor(pack, settings, metrics), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    results = connected(settings.redis, READ_RETRIES)

    async def forgotten(batch: str) -> None:
        with suppress(Unavailable):  # then it is forgotten in a day
            await answered(results.unlink(f"result:{batch}"), "an answer cannot be forgotten")

    async with (
        aclosing(AsyncPublisher(settings.kafka)) as publisher,
        aclosing(results),
        RedisReplies(settings.redis, f"auditor-{uuid4().hex}") as replies,
    ):
        canaries = Canaries(pack, settings.partitions, publisher, replies, metrics, forgotten)
        looks = [
            every(settings.canary_every_s if is_canaried else 0, canaries.round),
            every(settings.parity_every_s, lambda: asyncio.to_thread(auditor.sample)),
            every(settings.audit_every_s, lambda: asyncio.to_thread(auditor.count)),
        ]
        async with asyncio.TaskGroup() as tasks:
            going_on = [tasks.create_task(look) for look in looks]
            await stopping.wait()
            for look in going_on:
                look.cancel()


def main() -> None:
    configure("auditor")
    os.nice(LOWEST)
    asyncio.run(run(AuditorSettings()))


if __name__ == "__main__":
    main()
