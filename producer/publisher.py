"""Records into Kafka: grouped by partition, acknowledged by all replicas, or an error that says so.

librdkafka sends in its own threads; one daemon thread of ours serves the delivery reports.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from threading import Event, Thread

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from models.errors import InvalidEvent, Unavailable
from producer.partitioning import partition_of
from producer.records import OutRecord, events_topic

__all__ = ["BYTES_PER_RECORD", "EVENTS_PER_RECORD", "OutRecord", "Publisher", "records_of"]

EVENTS_PER_RECORD = 200
BYTES_PER_RECORD = 256 * 1024

Delivered = Callable[[KafkaError | None, Message], None]

_log = logging.getLogger("centinela.kafka")
_QUEUED_RECORDS = 10_000
_QUEUED_KIB = 64 * 1024


def records_of(
    pack_name: str,
    events: Iterable[tuple[str, str, bytes]],
    partitions: int,
    *,
    batch: str = "",
    reply: str = "",
    trace: str = "",
    first_part: int = 0,
) -> list[OutRecord]:
    """Group events by partition, in their order, into records for `events.<pack>`.

    Args:
        events: `(event_id, entity, line)`; the line is one JSON object without a line end.
        batch: Id of the batch or replay; with it, records are numbered from `first_part` on.
        reply: Id of the process that waits for the outcomes.
        trace: Correlation id.

    Raises:
        InvalidEvent: A line is longer than a record may be.
    """
    given = tuple(
        (name, text.encode())
        for name, text in (("batch", batch), ("reply", reply), ("trace", trace))
        if text
    )
    numbered = enumerate(_grouped(events, partitions), first_part)
    return [
        OutRecord(
            events_topic(pack_name),
            partition,
            b"\n".join(lines),
            (*given, ("part", b"%d" % part)) if batch else given,
        )
        for part, (partition, lines) in numbered
    ]


def _grouped(
    events: Iterable[tuple[str, str, bytes]], partitions: int
) -> list[tuple[int, list[bytes]]]:
    """Lines by partition, cut where a record is full."""
    full: list[tuple[int, list[bytes]]] = []
    filling: dict[int, tuple[list[bytes], int]] = {}
    for event_id, entity, line in events:
        if len(line) > BYTES_PER_RECORD:
            raise InvalidEvent(
                f"event {event_id}: must be <= {BYTES_PER_RECORD} bytes, got {len(line)}"
            )
        partition = partition_of(entity, partitions)
        lines, size = filling.get(partition, ([], 0))
        if len(lines) == EVENTS_PER_RECORD or size + len(line) > BYTES_PER_RECORD:
            full.append((partition, lines))
            lines, size = [], 0
        lines.append(line)
        filling[partition] = (lines, size + len(line) + 1)
    return full + [(partition, lines) for partition, (lines, _) in filling.items()]


class Publisher:
    """Sends records; use it as a context manager, or call `close`.

    Args:
        kafka: Bootstrap servers.
        linger_ms: How long the client may wait for more before it sends.
        delivery_timeout_s: After this long without an acknowledgement a record counts as failed.
            It may have been written all the same: send again only under the same event ids.
    """

    def __init__(
        self,
        kafka: str,
        *,
        linger_ms: float = 0,
        delivery_timeout_s: float = 10,
    ) -> None:
        self._kafka = kafka
        self._timeout_s = delivery_timeout_s
        self._producer = Producer(
            {
                "bootstrap.servers": kafka,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": linger_ms,
                "delivery.timeout.ms": int(delivery_timeout_s * 1_000),
                "queue.buffering.max.messages": _QUEUED_RECORDS,
                "queue.buffering.max.kbytes": _QUEUED_KIB,
                "logger": _log,
                "log_level": 3,  # syslog's: errors. It also warns of each retry, and of settings.
            }
        )
        self._closing = Event()
        self._reports = Thread(target=self._serve_reports, name="kafka-reports", daemon=True)
        self._reports.start()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def put(self, record: OutRecord, delivered: Delivered) -> None:
        """Hand over one record; blocks while the queue is full.

        Args:
            delivered: Called once, from another thread, with the error or None.

        Raises:
            Unavailable: The queue stayed full for the delivery timeout.
        """
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                return self._produce(record, delivered)
            except BufferError:
                if time.monotonic() > deadline:
                    waiting = f"{_QUEUED_RECORDS} records are still queued"
                    raise Unavailable(f"Kafka at {self._kafka}: {waiting}") from None
                time.sleep(0.005)

    def fault(self, error: KafkaError) -> Unavailable:
        """A failed delivery in our words."""
        if error.code() == KafkaError._MSG_TIMED_OUT:
            return Unavailable(f"Kafka at {self._kafka}: no answer within {self._timeout_s:g} s")
        return Unavailable(f"Kafka at {self._kafka}: {error.str()}")

    def flush(self, timeout_s: float) -> int:
        """Wait for what is in flight; returns how many records are still not reported on."""
        deadline = time.monotonic() + timeout_s
        while (queued := len(self._producer)) and time.monotonic() < deadline:
            time.sleep(0.005)
        return queued

    def close(self) -> None:
        """Wait for what is in flight, within the delivery timeout, and end the thread."""
        if not self._closing.is_set():
            self.flush(self._timeout_s)
            self._closing.set()
            self._reports.join(timeout=1)

    def _produce(self, record: OutRecord, delivered: Delivered) -> None:
        try:
            self._producer.produce(
                record.topic,
                record.value,
                partition=record.partition,
                headers=list(record.headers),
                on_delivery=delivered,
            )
        except KafkaException as error:
            raise self.fault(error.args[0]) from error

    def _serve_reports(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(0.1)
