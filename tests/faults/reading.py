"""A topic's records as they are on the broker, whatever was deleted at its beginning."""

from __future__ import annotations

import time
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition

from producer.records import Record
from producer.topics import end_offsets

SILENT_S = 60.0
"""After so long without a record a topic cannot be read."""


def read_topic(kafka: str, topic: str) -> list[list[Record]]:
    """By partition, every record that is there now."""
    ends = end_offsets(kafka, topic)
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "reader",
            "enable.auto.commit": False,
            "isolation.level": "read_uncommitted",
        }
    )
    try:
        starts = {p: _first(consumer, topic, p) for p in ends}
        consumer.assign([TopicPartition(topic, p, start) for p, start in starts.items()])
        logs: list[list[Record]] = [[] for _ in ends]
        wanted = {p for p, end in ends.items() if starts[p] < end}
        deadline = time.monotonic() + SILENT_S
        while wanted:
            assert time.monotonic() < deadline, f"{topic}: partitions {wanted} not read to the end"
            for message in consumer.consume(500, 0.5):
                deadline = time.monotonic() + SILENT_S
                record = _record(message)
                logs[record.partition].append(record)
                if record.offset >= ends[record.partition] - 1:
                    wanted.discard(record.partition)
    finally:
        consumer.close()
    return logs


def _first(consumer: Consumer, topic: str, partition: int) -> int:
    low, _ = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
    return int(low)


def _record(message: Message) -> Record:
    assert message.error() is None, message.error()
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    headers: Any = message.headers() or ()  # typed as dicts and lists in one
    named = tuple((name, value or b"") for name, value in headers)
    return Record(partition, offset, message.timestamp()[1], message.value() or b"", named)
