"""Records into Kafka from an event loop: what is sent together travels in one request.

librdkafka makes a request for each partition, and a broker answers those of a connection one after
another: whoever fetches sees a batch's slices piece by piece. aiokafka makes one request for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]  # it ships no types
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]
from aiokafka.producer.message_accumulator import BatchBuilder  # type: ignore[import-untyped]

from models.errors import Unavailable
from producer.records import OutRecord

_WAITING_SENDS = 10_000
_REQUEST_S = 40.0
_LEAVE_S = 1.0

Place = tuple[str, int]
Waiting = tuple[Sequence[OutRecord], asyncio.Future[None]]


class AsyncPublisher:
    """Sends records in flights: what comes while one is under way waits for the next.

    No record is ever given up on once it has left, so none stands in a partition while one sent
    before it does not. It connects when it is first used.

    Args:
        kafka: Bootstrap servers.
        timeout_s: For one `send`. What has not left by then never leaves.
        compression: As Kafka names it, `zstd`; None for none.
        batch_bytes: Records of a partition fill a batch up to so much, before compression; a larger
            one has a batch of its own.
    """

    def __init__(
        self,
        kafka: str,
        *,
        timeout_s: float = 10.0,
        compression: str | None = None,
        batch_bytes: int = 1_000_000,
    ) -> None:
        self._kafka = kafka
        self._timeout_s = timeout_s
        self._compression = compression
        self._batch_bytes = batch_bytes
        self._producer: AIOKafkaProducer | None = None
        self._waiting: list[Waiting] = []
        self._flying: asyncio.Task[None] | None = None

    async def send(self, records: Sequence[OutRecord]) -> None:
        """Send all and wait until each is acknowledged by all replicas.

        Raises:
            Unavailable: They were not acknowledged in time, and may have been written all the
                same: send again only under the same event ids. Or too many wait already.
        """
        if not records:
            return
        if len(self._waiting) >= _WAITING_SENDS:
            raise self._fault(f"{_WAITING_SENDS:,} batches are still queued")
        waiting = records, asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        if self._flying is None or self._flying.done():
            self._flying = asyncio.create_task(self._fly())
        try:
            async with asyncio.timeout(self._timeout_s):
                await waiting[1]
        except TimeoutError:
            raise self._fault(f"no answer within {self._timeout_s:g} s") from None
        finally:
            with suppress(ValueError):  # it has left
                self._waiting.remove(waiting)

    async def aclose(self) -> None:
        """Wait for what is under way, within the time-out, and disconnect."""
        if self._flying is not None:
            await asyncio.wait({self._flying}, timeout=self._timeout_s)
            self._flying.cancel()
        await self._disconnect()

    async def _fly(self) -> None:
        while self._waiting:
            aboard, self._waiting = self._waiting, []
            fault = await self._attempt([record for records, _ in aboard for record in records])
            for _, landed in aboard:
                if landed.done():
                    continue
                if fault is None:
                    landed.set_result(None)
                else:
                    landed.set_exception(fault)

    async def _attempt(self, records: Sequence[OutRecord]) -> Unavailable | None:
        try:
            producer = await self._connected()
            sent = [
                await producer.send_batch(batch, topic, partition=partition)
                for (topic, partition), batch in await _batches(producer, records)
            ]
            await asyncio.wait(sent)
            for each in sent:
                each.result()
        except KafkaError as error:
            # Its numbering has a hole now, which the broker refuses to write behind.
            await self._disconnect()
            return self._fault(str(error))
        return None

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._kafka,
                acks="all",
                enable_idempotence=True,
                compression_type=self._compression,
                max_batch_size=self._batch_bytes,
                request_timeout_ms=int(1000 * min(self._timeout_s, _REQUEST_S)),
            )
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def _disconnect(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(TimeoutError):  # it would send what is left until it is acknowledged
                await asyncio.wait_for(producer.stop(), _LEAVE_S)

    def _fault(self, why: str) -> Unavailable:
        return Unavailable(f"Kafka at {self._kafka}: {why}")


async def _batches(
    producer: AIOKafkaProducer, records: Sequence[OutRecord]
) -> list[tuple[Place, BatchBuilder]]:
    """By topic and partition, in their order: a batch costs what a record would alone."""
    full: list[tuple[Place, BatchBuilder]] = []
    filling: dict[Place, BatchBuilder] = {}
    for record in records:
        place = record.topic, record.partition
        batch = filling.get(place)
        if batch is None or not _added(batch, record):
            if batch is not None:
                full.append((place, batch))
            elif record.partition not in await producer.partitions_for(record.topic):
                raise KafkaError(f"{record.topic} has no partition {record.partition}")
            batch = filling[place] = producer.create_batch()
            _added(batch, record)
    return full + list(filling.items())


def _added(batch: BatchBuilder, record: OutRecord) -> bool:
    """An empty batch takes any record."""
    taken = batch.append(timestamp=None, key=None, value=record.value, headers=list(record.headers))
    return taken is not None
