"""Topics on a real broker: their records as they are there, and none of them left."""

from __future__ import annotations

import logging
import time
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from producer.records import Record
from producer.topics import end_offsets

_log = logging.getLogger(__name__)
SILENT_S = 60.0
"""After so long without a record a topic cannot be read."""


def admin_client(kafka: str) -> AdminClient:
    """One that says nothing on the terminal once its broker is gone."""
    return AdminClient({"bootstrap.servers": kafka}, logger=_log)


def read_topic(kafka: str, topic: str) -> list[list[Record]]:
    """By partition, every record that is there now, whatever was deleted before the first."""
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


def delete_topics(admin: AdminClient, topics: set[str]) -> None:
    """Returns once the broker knows them no more."""
    known = topics & set(admin.list_topics(timeout=10).topics)
    for deleted in admin.delete_topics(list(known)).values() if known else ():
        deleted.result()
    deadline = time.monotonic() + 30
    while topics & set(admin.list_topics(timeout=10).topics):
        assert time.monotonic() < deadline, "the broker keeps the deleted topics"
        time.sleep(0.1)


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
