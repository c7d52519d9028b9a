"""Faust around the workers: consumer group and fetching. What it loses, the fence brings back.

Kafka's committed offset is advice to onlookers here. On every assignment the consumer is put where
the stored fence says, whatever was committed or acknowledged.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

import faust
import structlog
from aiokafka.errors import IllegalStateError  # type: ignore[import-untyped]  # it ships no types
from faust.transport.drivers.aiokafka import Consumer, Transport
from faust.types import TP
from mode.services import WaitResults

from models.errors import Unavailable
from producer.async_publisher import AsyncPublisher
from producer.records import OutRecord
from producer.topics import OUTCOME_BYTES, WatchedTopic, next_offset
from stream_agents.consumer import LoopConsumer
from stream_agents.lane import Lanes
from stream_agents.liveness import TopicReplaced, watch
from stream_agents.metrics import StageMetrics
from stream_agents.settings import AgentSettings
from stream_agents.worker import Worker

log = structlog.get_logger(__name__)


class _App(faust.App):
    def _create_directories(self) -> None:
        """None: Faust would keep its tables there, and we have none."""


def build_app(name: str, settings: AgentSettings, epoch: str) -> faust.App:
    """A Faust app without tables, web server, leader or topics of its own.

    Args:
        epoch: Id of the topic that it reads. A static member that comes back is given what it had,
            of however many partitions: of another topic it has to be another member.
    """
    return _App(
        f"centinela-{settings.pack}-{name}",
        broker=f"kafka://{settings.kafka}",
        consumer_group_instance_id=f"{settings.instance}.{epoch}" if settings.instance else None,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.session_timeout_s / 5,
        broker_commit_interval=1.0,
        consumer_max_fetch_size=4 * 1024 * 1024,
        consumer_auto_offset_reset="earliest",
        stream_buffer_maxsize=1024,
        # A chunk in flight when partitions leave is refused by the fence: no need to wait for it.
        stream_wait_empty=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )


def agent_publisher(kafka: str, deadline_s: float) -> AsyncPublisher:
    """What an agent writes with: outcomes may be large, and are much alike.

    Args:
        deadline_s: For one emit. Not below the worker's own, which would send the same again.
    """
    batch_bytes = OUTCOME_BYTES // 4
    return AsyncPublisher(kafka, timeout_s=deadline_s, compression="zstd", batch_bytes=batch_bytes)


class FaustLog:
    """The worker's log: read through a Faust app, written by a client of its own."""

    def __init__(self, app: faust.App, topic: str, kafka: str, publisher: AsyncPublisher) -> None:
        self._app = app
        self._topic = topic
        self._kafka = kafka
        self._publisher = publisher

    async def emit(self, records: Sequence[OutRecord]) -> None:
        await self._publisher.send(records)

    async def seek(self, offsets: Mapping[int, int]) -> None:
        for partition, offset in offsets.items():
            # A partition that has just left is read on from its fence by its next owner.
            with suppress(IllegalStateError):
                await self._app.consumer.seek_wait({TP(self._topic, partition): offset})

    async def next_offset(self, partition: int, offset: int) -> int:
        return await asyncio.to_thread(next_offset, self._kafka, self._topic, partition, offset)


class Rim:
    """Runs a worker in a Faust app until it is told to stop."""

    def __init__(
        self,
        app: faust.App,
        topic: str,
        worker: Worker,
        metrics: StageMetrics,
        settings: AgentSettings,
    ) -> None:
        self._app = app
        self._topic = topic
        self._worker = worker
        self._lanes = Lanes(worker, settings.lanes, settings.take_records, settings.take_bytes)
        self._metrics = metrics
        self._settings = settings
        self._assigning = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._stopped = threading.Event()
        self.is_assigned = False
        app.transport = _fenced_transport(app, self)
        app.on_partitions_assigned.connect(self._assigned_any)
        source = app.topic(
            topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )
        app.agent(source, name=app.conf.id, concurrency=1)(self._fetch)

    async def run(self) -> None:
        """Returns after SIGTERM or SIGINT: the chunk in hand committed, the group left.

        Raises:
            Unavailable: Faust has crashed; it would go on as if nothing had come.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        threading.Thread(target=self._watch, name="liveness", daemon=True).start()
        try:
            await self._app.start()
            await self._work_until_told()
            await self._app.consumer.commit()
            await self._app.stop()
        finally:
            self._stopped.set()

    def stop(self) -> None:
        """Takes no more: `run` returns once what is in hand is committed."""
        self._stopping.set()
        self._lanes.stop()

    async def _work_until_told(self) -> None:
        working = asyncio.create_task(self._lanes.run())
        stopping = asyncio.create_task(self._stopping.wait())
        crashed = asyncio.create_task(self._app.wait_until_stopped())
        tasks: set[asyncio.Task[Any]] = {working, stopping, crashed}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        if crashed.done():
            raise Unavailable("faust has crashed") from self._app.crash_reason
        await working

    async def assigned(self, assignment: set[TP]) -> dict[TP, int]:
        """Where to read each partition from; called on every assignment, before any record."""
        mine = [tp.partition for tp in assignment if tp.topic == self._topic]
        # Faust goes on to the next assignment without waiting for what it asked of the one before.
        async with self._assigning:
            following = await self._lanes.assigned(mine)
        self.is_assigned = True
        log.info("assigned", topic=self._topic, offsets=following)
        return {TP(self._topic, partition): offset for partition, offset in following.items()}

    async def _assigned_any(self, _: Any, /, *assignment: Any, signal: Any, **__: Any) -> None:
        """Faust asks from where to read only where there is something to read."""
        if not any(assignment):
            await self.assigned(set())

    async def _fetch(self, stream: faust.StreamT[bytes]) -> None:
        # The one loop that acknowledges nothing on its own, whatever is raised around it.
        async for event in stream.noack().events():  # type: ignore[attr-defined]  # typed too narrowly
            await self._lanes.put(event)

    @cached_property
    def _watched(self) -> WatchedTopic:
        return WatchedTopic(self._settings.kafka, self._topic)

    def require_topic(self) -> None:
        """Raises TopicReplaced where the topic is not the one that the worker knows."""
        if self._watched.id() != self._worker.epoch:
            raise TopicReplaced(self._topic)

    def _ends(self) -> dict[int, int]:
        self.require_topic()
        return self._watched.ends()

    def _watch(self) -> None:
        watch(
            lambda: self._worker.offsets,
            self._ends,
            lambda: self._worker.retries,
            self._metrics,
            self._settings.stalled_s,
            self._stopped,
        )


def _fenced_transport(app: faust.App, rim: Rim) -> Transport:
    class FencedConsumer(Consumer):
        def _new_consumer_thread(self) -> LoopConsumer:
            return LoopConsumer(self)

        async def perform_seek(self) -> None:
            await super().perform_seek()
            # A fence of the new topic would be taken for one of a topic made again, and undone.
            await asyncio.to_thread(rim.require_topic)
            for tp, offset in (await rim.assigned(set(self.assignment()))).items():
                with suppress(IllegalStateError):
                    await self.seek_wait({tp: offset})
                # Keeps Faust's bookkeeping in step, or it would wait for acks of what is done.
                self._committed_offset[tp] = offset

        async def wait_first(self, *coros: Any, timeout: Any = None) -> WaitResults:
            """Faust's race between handing a record over and the next assignment.

            It starts four tasks a record; where the handover cannot wait there is no race.
            """
            has_room = not any(topic.queue.full() for topic in app.topics)
            if len(coros) != 2 or not self.flow_active or not has_room:
                return await super().wait_first(*coros, timeout=timeout)
            handover, suspended = coros
            suspended.close()
            return WaitResults([handover], [await handover], stopped=False)

    class FencedTransport(Transport):
        pass

    FencedTransport.Consumer = FencedConsumer
    return FencedTransport(app.conf.broker_consumer, app)
