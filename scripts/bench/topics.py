"""Topics of a bench: filled, made anew, measured by their offsets, and read back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Literal

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.cimpl import NewTopic

from producer.partitioning import partition_of
from producer.publisher import EVENTS_PER_RECORD
from scripts.bench.workload import Workload

WITHIN_S = 30.0
RECORD_BYTES = 32 * 1024 * 1024


def make_topic(kafka: str, topic: str, partitions: int) -> None:
    """An empty topic of this name, whatever was there before; kept for as long as the broker."""
    admin = AdminClient({"bootstrap.servers": kafka})
    if topic in admin.list_topics(timeout=10).topics:
        admin.delete_topics([topic])[topic].result(WITHIN_S)
    config = {"retention.ms": "-1", "max.message.bytes": str(RECORD_BYTES)}
    deadline = time.monotonic() + WITHIN_S
    while True:
        try:
            new = NewTopic(topic, partitions, 1, config=config)
            admin.create_topics([new])[topic].result(WITHIN_S)
            break
        except KafkaException:  # its predecessor is still being deleted
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    while any(p.leader < 0 for p in admin.list_topics(topic, 10).topics[topic].partitions.values()):
        time.sleep(0.05)


def fill(
    kafka: str,
    topic: str,
    partitions: int,
    workload: Workload,
    shape: Literal["single", "batched"],
) -> None:
    """All events of a workload, one a record or 200 a record as our own publisher cuts them."""
    options = {"linger.ms": 50, "batch.size": 1_000_000, "queue.buffering.max.kbytes": 256 * 1024}
    # A retry must not change the order of a client's events.
    options["enable.idempotence"] = True
    producer = Producer({"bootstrap.servers": kafka, "acks": "all", **options})
    for partition, key, value in _records(workload, partitions, shape):
        while True:
            try:
                producer.produce(topic, value, key, partition)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    if producer.flush(60):
        raise RuntimeError(f"{topic}: not all events of {workload.name} could be written")


def _records(
    workload: Workload, partitions: int, shape: Literal["single", "batched"]
) -> Iterator[tuple[int, bytes | None, bytes]]:
    of_client: dict[str, int] = {}
    filling: dict[int, list[bytes]] = {}
    for client, line in workload.lines():
        if client not in of_client:
            of_client[client] = partition_of(client, partitions)
        partition = of_client[client]
        if shape == "single":
            yield partition, client.encode(), line
            continue
        lines = filling.setdefault(partition, [])
        lines.append(line)
        if len(lines) == EVENTS_PER_RECORD:
            yield partition, None, b"\n".join(lines)
            lines.clear()
    for partition, lines in filling.items():
        if lines:
            yield partition, None, b"\n".join(lines)


class Ends:
    """Asks where a topic ends, over one connection."""

    def __init__(self, kafka: str, topic: str, partitions: int) -> None:
        self._admin = AdminClient({"bootstrap.servers": kafka})
        end = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the one untyped call
        self._asked = {TopicPartition(topic, p): end for p in range(partitions)}

    def now(self) -> dict[int, int]:
        deadline = time.monotonic() + WITHIN_S
        while True:
            try:
                told = self._admin.list_offsets(self._asked, request_timeout=5.0)
                return {place.partition: end.result(10).offset for place, end in told.items()}
            except KafkaException:  # a topic that was just made has no leader for a moment
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


def read(kafka: str, topic: str, ends: dict[int, int]) -> Iterator[Message]:
    """All records before these offsets; in the order of offsets within a partition."""
    options: dict[str, Any] = {
        "bootstrap.servers": kafka,
        "group.id": "bench-reader",  # asked for by the client, never joined
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_uncommitted",
        "enable.partition.eof": True,
        "check.crcs": False,
    }
    consumer = Consumer(options)
    left = {partition for partition, end in ends.items() if end > 0}
    consumer.assign([TopicPartition(topic, partition, 0) for partition in left])
    try:
        while left:
            for message in consumer.consume(1000, 0.1):
                partition, offset = message.partition() or 0, message.offset() or 0
                if message.error() or offset >= ends[partition]:
                    left.discard(partition)
                    continue
                yield message
                if offset + 1 >= ends[partition]:
                    left.discard(partition)
    finally:
        consumer.close()
