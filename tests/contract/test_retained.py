"""What every reader of a topic's retained records promises, in memory and on a real Kafka."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.cimpl import NewTopic

from models.errors import InvalidSource, Unavailable
from producer.records import Headers
from producer.retained import KafkaRetained, Retained
from stream_agents.memory import MemoryBroker, MemoryRetained
from tests.stacks import Stack
from tests.topics import admin_client

PARTITIONS = 2
NOON_MS = 1_767_225_600_000
FOR_EVER = {"retention.ms": "-1"}
"""Records of that noon are old: whenever it looks, the broker would delete them."""
WITHIN_S = 30.0


class Told(Protocol):
    """A topic to write to and to read again."""

    @property
    def retained(self) -> Retained: ...

    def write(
        self, partition: int, values: Sequence[bytes], at_ms: int = NOON_MS, headers: Headers = ()
    ) -> None: ...

    def delete_before(self, partition: int, offset: int) -> None: ...


class InMemory:
    def __init__(self) -> None:
        self._now_ms = NOON_MS
        self._broker = MemoryBroker(lambda: self._now_ms)
        self._broker.create("log", PARTITIONS)
        self.retained = MemoryRetained(self._broker, "log")

    def write(
        self, partition: int, values: Sequence[bytes], at_ms: int = NOON_MS, headers: Headers = ()
    ) -> None:
        self._now_ms = at_ms
        for value in values:
            self._broker.produce("log", partition, value, headers)

    def delete_before(self, partition: int, offset: int) -> None:
        self._broker.delete_before("log", partition, offset)


@dataclass(frozen=True, slots=True)
class OnKafka:
    kafka: str
    retained: KafkaRetained

    def write(
        self, partition: int, values: Sequence[bytes], at_ms: int = NOON_MS, headers: Headers = ()
    ) -> None:
        producer = Producer({"bootstrap.servers": self.kafka})
        topic, given = self.retained.topic, dict[str, str | bytes | None](headers)
        for value in values:
            producer.produce(topic, value, None, partition, timestamp=at_ms, headers=given)
        assert producer.flush(WITHIN_S) == 0

    def delete_before(self, partition: int, offset: int) -> None:
        admin = admin_client(self.kafka)
        place = TopicPartition(self.retained.topic, partition, offset)
        for deleted in admin.delete_records([place]).values():
            deleted.result(WITHIN_S)


def on_kafka(kafka: str) -> Iterator[Told]:
    topic = f"retained-{uuid4().hex}"
    admin = admin_client(kafka)
    for made in admin.create_topics([NewTopic(topic, PARTITIONS, 1, config=FOR_EVER)]).values():
        made.result(WITHIN_S)
    retained = KafkaRetained(kafka, topic)
    yield OnKafka(kafka, retained)
    retained.close()


class Promises:
    def test_a_span_is_read_in_order_and_no_further(self, told: Told) -> None:
        told.write(0, [b"%d" % number for number in range(1500)])
        read = list(told.retained.read(0, range(100, 1300)))

        assert [record.offset for record in read] == list(range(100, 1300))
        assert [record.value for record in read] == [b"%d" % i for i in range(100, 1300)]

    def test_a_record_is_as_it_was_written(self, told: Told) -> None:
        headers = (("batch", b"b"), ("empty", b""))
        told.write(1, [b"first"])
        told.write(1, [b"second \xff"], NOON_MS + 7, headers)
        record = told.retained.record(1, 1)

        assert record is not None
        assert (record.partition, record.offset) == (1, 1)
        assert (record.value, record.at_ms) == (b"second \xff", NOON_MS + 7)
        assert record.headers == headers

    @pytest.mark.parametrize("offset", [0, 1, 4, 400], ids=["gone", "gone", "end", "beyond"])
    def test_what_is_not_there_is_none(self, told: Told, offset: int) -> None:
        told.write(0, [b"a", b"b", b"c", b"d"])
        told.delete_before(0, 2)

        assert told.retained.record(0, offset) is None
        assert told.retained.record(0, 2) is not None

    def test_what_retention_took_is_missing_from_a_span(self, told: Told) -> None:
        told.write(0, [b"a", b"b", b"c", b"d"])
        told.delete_before(0, 2)

        assert [record.offset for record in told.retained.read(0, range(4))] == [2, 3]

    def test_a_span_may_reach_beyond_the_end(self, told: Told) -> None:
        told.write(0, [b"a", b"b"])

        assert [record.offset for record in told.retained.read(0, range(600))] == [0, 1]

    def test_spans_are_what_is_there_now(self, told: Told) -> None:
        told.write(0, [b"a", b"b", b"c"])
        told.delete_before(0, 1)

        assert told.retained.spans() == {0: range(1, 3), 1: range(0)}

    @pytest.mark.parametrize(
        ("since_ms", "start"),
        [(NOON_MS - 1, 0), (NOON_MS, 0), (NOON_MS + 1, 2), (NOON_MS + 10, 2), (NOON_MS + 11, 3)],
    )
    def test_spans_may_begin_at_a_time(self, told: Told, since_ms: int, start: int) -> None:
        told.write(0, [b"a", b"b"])
        told.write(0, [b"c"], NOON_MS + 10)

        assert told.retained.spans(since_ms)[0] == range(start, 3)

    def test_an_empty_span_is_no_record(self, told: Told) -> None:
        assert list(told.retained.read(0, range(0))) == []

    def test_the_epoch_is_the_topics(self, told: Told) -> None:
        assert told.retained.epoch() == told.retained.epoch() != ""


class TestInMemory(Promises):
    @pytest.fixture
    def told(self) -> Told:
        return InMemory()


class TestOnKafka(Promises):
    @pytest.fixture
    def told(self, stack: Stack) -> Iterator[Told]:
        yield from on_kafka(stack.kafka)

    def test_an_unknown_topic_is_named(self, stack: Stack) -> None:
        retained = KafkaRetained(stack.kafka, "nothing")

        with pytest.raises(InvalidSource, match="topic nothing: there is none at"):
            retained.spans()
        retained.close()


def test_a_broker_that_is_away_is_unavailable(unused_tcp_port: int) -> None:
    retained = KafkaRetained(f"127.0.0.1:{unused_tcp_port}", "events.access", silence_s=0.2)

    with pytest.raises(Unavailable, match=r"nothing of events\.access within 0\.2 s"):
        retained.record(0, 0)
    retained.close()
