"""Faust around a worker: consumer group, fetching, producing. What it loses, the fence brings back.

Kafka's committed offset is advice to onlookers here. On every assignment the consumer is put where
the stored fence says, whatever was committed or acknowledged.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import faust
import structlog
from aiokafka.errors import (  # type: ignore[import-untyped]  # it ships no types
    IllegalStateError,
    KafkaError,
)
from faust.transport.drivers.aiokafka import Consumer, Transport
from faust.types import TP, EventT

from models.errors import Unavailable
from producer.records import OutRecord, Record
from producer.topics import OUTCOME_BYTES, end_offsets, next_offset
from stream_agents.liveness import watch
from stream_agents.metrics import StageMetrics
from stream_agents.settings import AgentSettings
from stream_agents.worker import Worker

log = structlog.get_logger(__name__)


def build_app(name: str, settings: AgentSettings) -> faust.App:
    """A Faust app without tables, web server, leader or topics of its own."""
    return faust.App(
        f"centinela-{settings.pack}-{name}",
        broker=f"kafka://{settings.kafka}",
        consumer_group_instance_id=settings.instance or None,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.session_timeout_s / 5,
        broker_commit_interval=1.0,
        producer_request_timeout=10.0,
        producer_acks=-1,
        producer_max_request_size=2 * OUTCOME_BYTES,
        producer_compression_type="zstd",
        # A chunk's records of a partition travel in one request, not in one round trip each.
        producer_max_batch_size=4 * 1024 * 1024,
        consumer_max_fetch_size=4 * 1024 * 1024,
        consumer_auto_offset_reset="earliest",
        stream_buffer_maxsize=1024,
        # A chunk in flight when partitions leave is refused by the fence: no need to wait for it.
        stream_wait_empty=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )


class FaustLog:
    """The worker's log over a Faust app."""

    def __init__(self, app: faust.App, topic: str, kafka: str) -> None:
        self._app = app
        self._topic = topic
        self._kafka = kafka

    async def emit(self, records: Sequence[OutRecord]) -> None:
        producer = self._app.producer
        try:
            sent = [
                await producer.send(
                    record.topic,
                    None,
                    record.value,
                    record.partition,
                    None,
                    list(record.headers),
                )
                for record in records
            ]
            await asyncio.gather(*sent)
        except KafkaError as error:
            raise Unavailable(f"kafka: {type(error).__name__}: {error}") from error

    async def seek(self, offsets: Mapping[int, int]) -> None:
        for partition, offset in offsets.items():
            # A partition that has just left is read on from its fence by its next owner.
            with suppress(IllegalStateError):
                await self._app.consumer.seek_wait({TP(self._topic, partition): offset})

    async def next_offset(self, partition: int, offset: int) -> int:
        return await asyncio.to_thread(next_offset, self._kafka, self._topic, partition, offset)


class Inbox:
    """Records on their way from Faust to the worker; bounded, so that Faust pauses fetching."""

    def __init__(self, capacity: int) -> None:
        self._queued: deque[EventT[bytes]] = deque()
        self._capacity = capacity
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()

    def __len__(self) -> int:
        return len(self._queued)

    async def put(self, event: EventT[bytes]) -> None:
        await self._drained.wait()
        self._queued.append(event)
        self._filled.set()
        if len(self._queued) >= self._capacity:
            self._drained.clear()

    async def take(self, most: int) -> list[EventT[bytes]]:
        """What has queued up, at least one event: never a timed wait for more."""
        await self._filled.wait()
        taken = [self._queued.popleft() for _ in range(min(most, len(self._queued)))]
        if not self._queued:
            self._filled.clear()
        if len(self._queued) < self._capacity // 2:
            self._drained.set()
        return taken

    def clear(self) -> None:
        self._queued.clear()
        self._filled.clear()
        self._drained.set()


class Rim:
    """Runs one worker in one Faust app until it is told to stop."""

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
        self._metrics = metrics
        self._settings = settings
        self._inbox = Inbox(4 * settings.take_records)
        self._unacked: list[EventT[bytes]] = []
        self._stopping = asyncio.Event()
        self._stopped = threading.Event()
        self.is_assigned = False
        app.transport = _fenced_transport(app, self)
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
            loop.add_signal_handler(number, self._stopping.set)
        threading.Thread(target=self._watch, name="liveness", daemon=True).start()
        try:
            await self._app.start()
            await self._work_until_told()
            await self._app.consumer.commit()
            await self._app.stop()
        finally:
            self._stopped.set()

    async def _work_until_told(self) -> None:
        working = asyncio.create_task(self._work())
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
        self._inbox.clear()
        self._unacked.clear()
        self._worker.revoked(list(self._worker.offsets))
        partitions = [tp.partition for tp in assignment if tp.topic == self._topic]
        following = await self._worker.assigned(partitions)
        self.is_assigned = True
        log.info("assigned", topic=self._topic, offsets=following)
        return {TP(self._topic, partition): offset for partition, offset in following.items()}

    async def _fetch(self, stream: faust.StreamT[bytes]) -> None:
        # The one loop that acknowledges nothing on its own, whatever is raised around it.
        async for event in stream.noack().events():  # type: ignore[attr-defined]  # typed too narrowly
            await self._inbox.put(event)

    async def _work(self) -> None:
        while not self._stopping.is_set():
            events = await self._next()
            if not events:
                continue
            await self._worker.process([_record(event) for event in events])
            done, self._unacked = self._unacked, events
            self._acknowledge(done)
            await asyncio.sleep(0)  # lets Faust hand over what has arrived meanwhile
            if not len(self._inbox):
                await self._settle()
        await self._settle()

    async def _next(self) -> list[EventT[bytes]]:
        taking = asyncio.ensure_future(self._inbox.take(self._settings.take_records))
        stopping = asyncio.ensure_future(self._stopping.wait())
        done, left = await asyncio.wait({taking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for waiting in left:
            waiting.cancel()
        return taking.result() if taking in done else []

    async def _settle(self) -> None:
        await self._worker.settle()
        done, self._unacked = self._unacked, []
        self._acknowledge(done)

    def _acknowledge(self, events: Sequence[EventT[bytes]]) -> None:
        """Only what is committed in the store; in offset order."""
        for event in events:
            event.ack()

    def _watch(self) -> None:
        watch(
            lambda: self._worker.offsets,
            lambda: end_offsets(self._settings.kafka, self._topic),
            self._metrics,
            self._settings.stalled_s,
            self._stopped,
        )


def _record(event: EventT[bytes]) -> Record:
    message: Any = event.message  # Faust leaves the type of headers open
    return Record(
        message.partition,
        message.offset,
        round(message.timestamp * 1000),
        message.value or b"",
        # A header without a value is not one without a name.
        tuple((name, value or b"") for name, value in message.headers or ()),
    )


def _fenced_transport(app: faust.App, rim: Rim) -> Transport:
    class FencedConsumer(Consumer):
        async def perform_seek(self) -> None:
            await super().perform_seek()
            for tp, offset in (await rim.assigned(set(self.assignment()))).items():
                with suppress(IllegalStateError):
                    await self.seek_wait({tp: offset})
                # Keeps Faust's bookkeeping in step, or it would wait for acks of what is done.
                self._committed_offset[tp] = offset

    class FencedTransport(Transport):
        pass

    FencedTransport.Consumer = FencedConsumer
    return FencedTransport(app.conf.broker_consumer, app)
