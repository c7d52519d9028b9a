"""What a topic still holds, read beside the agents: a record by its place, or all since a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from threading import Lock
from typing import Any, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from models.errors import InvalidSource, Unavailable
from producer.records import Record
from producer.topics import ANSWER_S, topic_id, unavailable

SILENCE_S = 10.0
"""A broker that gives neither a record nor the end of a partition for so long is away."""

AT_ONCE = 500

_log = logging.getLogger("centinela.kafka")


class Retained(Protocol):
    """A topic's records that are there now; methods block, and raise `Unavailable`."""

    topic: str

    def epoch(self) -> str:
        """The topic's id."""

    def spans(self, since_ms: int = 0) -> dict[int, range]:
        """Partition to the offsets that are there, from the first of that time or later."""

    def read(self, partition: int, offsets: range) -> Iterator[Record]:
        """The records of a span, in order; those that retention has taken are missing."""

    def record(self, partition: int, offset: int) -> Record | None:
        """One record of a partition; None where it is not there: not any more, or not yet."""


class KafkaRetained:
    """`Retained` on Kafka, through a consumer that joins no group.

    It connects when it is first asked. Only `record` and `epoch` may be called by several threads.
    """

    def __init__(self, kafka: str, topic: str, silence_s: float = SILENCE_S) -> None:
        self.topic = topic
        self._kafka = kafka
        self._silence_s = silence_s
        self._one_at_a_time = Lock()
        self._connected: Consumer | None = None

    def epoch(self) -> str:
        return topic_id(self._kafka, self.topic)

    def spans(self, since_ms: int = 0) -> dict[int, range]:
        try:
            return {partition: self._span(partition, since_ms) for partition in self._partitions()}
        except KafkaException as error:
            raise unavailable(self._kafka, error) from error

    def read(self, partition: int, offsets: range) -> Iterator[Record]:
        consumer = self._consumer()
        consumer.assign([TopicPartition(self.topic, partition, offsets.start)])
        left = offsets
        try:
            while left:
                for message in self._taken(consumer, len(left)):
                    record = record_of(message)
                    # Where nothing is left, the client goes on elsewhere.
                    if record is None or record.offset not in left:
                        return
                    yield record
                    left = range(record.offset + 1, offsets.stop)
        finally:
            consumer.unassign()

    def record(self, partition: int, offset: int) -> Record | None:
        with self._one_at_a_time:
            found = list(self.read(partition, range(offset, offset + 1)))
        return found[0] if found else None

    def close(self) -> None:
        if self._connected is not None:
            self._connected.close()

    def _consumer(self) -> Consumer:
        if self._connected is None:
            self._connected = Consumer(
                {
                    "bootstrap.servers": self._kafka,
                    "group.id": "retained",  # asked for by the client, never joined
                    "enable.auto.commit": False,
                    "enable.partition.eof": True,
                    "isolation.level": "read_uncommitted",  # as the agents read
                    "auto.offset.reset": "earliest",
                    # Else a question waits for the one before, which waits for more records.
                    "fetch.wait.max.ms": 10,
                    "logger": _log,
                }
            )
        return self._connected

    def _taken(self, consumer: Consumer, most: int) -> list[Message]:
        """The next messages; the end of what is assigned is one of them."""
        deadline = time.monotonic() + self._silence_s
        while time.monotonic() < deadline:
            messages = consumer.consume(min(most, AT_ONCE), 0.2)
            # Of any error but the end the client tries again on its own.
            if told := [message for message in messages if not message.error() or ends(message)]:
                return told
        raise Unavailable(
            f"Kafka at {self._kafka}: nothing of {self.topic} within {self._silence_s:g} s"
        )

    def _partitions(self) -> list[int]:
        told = self._consumer().list_topics(self.topic, timeout=ANSWER_S).topics[self.topic]
        if told.error is not None:
            raise InvalidSource(f"topic {self.topic}: there is none at {self._kafka}")
        return sorted(told.partitions)

    def _span(self, partition: int, since_ms: int) -> range:
        place = TopicPartition(self.topic, partition, since_ms)
        known: Any = self._consumer().get_watermark_offsets(place, timeout=ANSWER_S)
        start, end = known
        if since_ms > 0:
            [found] = self._consumer().offsets_for_times([place], timeout=ANSWER_S)
            start = end if found.offset < 0 else max(start, found.offset)
        return range(start, end)


def ends(message: Message) -> bool:
    """Whether this is no record but the end of a partition."""
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF


def record_of(message: Message) -> Record | None:
    """The record in a message; None for the end of a partition."""
    if ends(message):
        return None
    partition, offset = message.partition(), message.offset()
    assert partition is not None  # a record that was read has a place
    assert offset is not None
    headers: Any = message.headers() or ()  # typed as a dict or a list
    return Record(
        partition,
        offset,
        message.timestamp()[1],
        message.value() or b"",
        tuple((name, value or b"") for name, value in headers),
    )
