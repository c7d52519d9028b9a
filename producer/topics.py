"""A pack's topics: made once, the same everywhere; and what has to be asked about them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from datetime import timedelta
from typing import Any, TypeVar

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._metadata import ClusterMetadata
from confluent_kafka.cimpl import NewTopic

from models.errors import InvalidSource, Unavailable
from producer.records import DEAD_LETTER, EVENTS, actions_topic, decisions_topic, events_topic

ANSWER_S = 5.0
"""How long a broker may take to answer a question about topics."""

RETENTION = timedelta(days=7)
"""Of a pack's topics: how long the pipeline may be down and lose nothing."""
DEAD_LETTER_RETENTION = timedelta(days=30)
RECORD_BYTES = 1024 * 1024
"""Of events, whoever publishes them."""
OUTCOME_BYTES = 32 * RECORD_BYTES
"""A short attack's line grows with its reasons and features, and a record's lines stay together."""

_PASSING = (
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
)
"""What a broker says of a partition for a moment after it has come back."""

T = TypeVar("T")
_log = logging.getLogger("centinela.kafka")


def ensure_topics(kafka: str, pack: str, partitions: int) -> None:
    """Make the topics that are not there yet; may be called by every process, at any time.

    Raises:
        InvalidSource: A topic of the pack is there with another number of partitions. The stores'
            keys hold the number, so it cannot be changed in passing.
        Unavailable: The broker did not answer.
    """
    admin = _admin(kafka)
    stages = (events_topic(pack), decisions_topic(pack), actions_topic(pack))
    wanted = dict.fromkeys(stages, partitions) | {DEAD_LETTER: 1}
    there = _partitions(_metadata(admin, kafka))
    for topic, count in wanted.items():
        if topic != DEAD_LETTER and there.get(topic, count) != count:
            raise InvalidSource(
                f"topic {topic}: must have {count} partitions as set, got {there[topic]}"
            )
    missing = [_new_topic(topic, count) for topic, count in wanted.items() if topic not in there]
    for made in admin.create_topics(missing, request_timeout=ANSWER_S).values() if missing else ():
        _answer(made, kafka, tolerated=KafkaError.TOPIC_ALREADY_EXISTS)
    _patiently(lambda: _require_leaders(admin, kafka, wanted))


class WatchedTopic:
    """A topic that is asked about again and again, through one client.

    A client for each question costs the broker about ten times what its answer does.
    """

    def __init__(self, kafka: str, topic: str) -> None:
        self._kafka = kafka
        self._topic = topic
        self._admin = _admin(kafka)

    def id(self) -> str:
        """Another one than before means that the topic was deleted and made again.

        Raises:
            InvalidSource: There is no such topic.
            Unavailable: The broker did not answer.
        """
        topics = TopicCollection([self._topic])
        asked = self._admin.describe_topics(topics, request_timeout=ANSWER_S)
        description = _answer(asked[self._topic], self._kafka)
        return str(description.topic_id)

    def ends(self) -> dict[int, int]:
        """Partition to the offset that its next record will have.

        Raises:
            InvalidSource: There is no such topic.
            Unavailable: The broker did not answer.
        """
        count = _partitions(_metadata(self._admin, self._kafka)).get(self._topic)
        if count is None:
            raise InvalidSource(f"topic {self._topic}: there is none at {self._kafka}")
        end = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the one untyped call of the client
        latest = {TopicPartition(self._topic, partition): end for partition in range(count)}

        def ask() -> dict[int, int]:
            asked = self._admin.list_offsets(latest, request_timeout=ANSWER_S)
            return {at.partition: _answer(told, self._kafka).offset for at, told in asked.items()}

        return _patiently(ask)


def topic_id(kafka: str, topic: str) -> str:
    """`WatchedTopic.id`, asked once."""
    return WatchedTopic(kafka, topic).id()


def end_offsets(kafka: str, topic: str) -> dict[int, int]:
    """`WatchedTopic.ends`, asked once."""
    return WatchedTopic(kafka, topic).ends()


def partition_counts(kafka: str) -> Mapping[str, int]:
    """Each topic that there is, to the number of its partitions.

    Raises:
        Unavailable: The broker did not answer.
    """
    return _partitions(_metadata(_admin(kafka), kafka))


def next_offset(kafka: str, topic: str, partition: int, offset: int) -> int:
    """The offset of the first record at or after the one given; the end where there is none.

    Raises:
        Unavailable: The broker did not answer.
    """
    reader = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "next-offset",  # asked for by the client, never joined
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_uncommitted",  # as the agents read
            "auto.offset.reset": "earliest",
            "logger": _log,
        }
    )
    try:
        reader.assign([TopicPartition(topic, partition, offset)])
        found = reader.poll(2 * ANSWER_S)
    finally:
        reader.close()
    error = found.error() if found else None
    if found is None or (error and error.code() != KafkaError._PARTITION_EOF):
        raise Unavailable(f"Kafka at {kafka}: no record of {topic} within {2 * ANSWER_S:g} s")
    at = found.offset()
    assert at is not None  # a record that was read, or the end, has a place
    return at


def _admin(kafka: str) -> AdminClient:
    # One that is kept is to find a broker soon that was away for long.
    return AdminClient({"bootstrap.servers": kafka, "reconnect.backoff.max.ms": 1_000}, logger=_log)


class _NotYet(Unavailable):
    """What a broker says of a topic that it has just made, or that moves; soon it will not."""


def _patiently(ask: Callable[[], T]) -> T:
    deadline = time.monotonic() + ANSWER_S
    while True:
        try:
            return ask()
        except _NotYet:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _require_leaders(admin: AdminClient, kafka: str, topics: Iterable[str]) -> None:
    there = _metadata(admin, kafka).topics
    for topic in topics:
        partitions = there[topic].partitions.values() if topic in there else ()
        if not partitions or any(partition.leader < 0 for partition in partitions):
            raise _NotYet(f"Kafka at {kafka}: topic {topic} has no leader yet")


def _metadata(admin: AdminClient, kafka: str) -> ClusterMetadata:
    try:
        return admin.list_topics(timeout=ANSWER_S)
    except KafkaException as error:
        raise unavailable(kafka, error) from error


def _partitions(metadata: ClusterMetadata) -> Mapping[str, int]:
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def _new_topic(topic: str, partitions: int) -> NewTopic:
    kept = DEAD_LETTER_RETENTION if topic == DEAD_LETTER else RETENTION
    limit = RECORD_BYTES if topic.startswith(EVENTS) else OUTCOME_BYTES
    return NewTopic(
        topic,
        num_partitions=partitions,
        replication_factor=-1,  # as the broker is set
        config={
            "cleanup.policy": "delete",
            "max.message.bytes": str(limit),
            "message.timestamp.type": "CreateTime",
            "retention.ms": str(int(kept.total_seconds() * 1_000)),
        },
    )


def _answer(asked: Future[Any], kafka: str, tolerated: int | None = None) -> Any:
    """A future's result; `Any`, as each question of the client's has its own answer."""
    try:
        return asked.result(timeout=2 * ANSWER_S)
    except KafkaException as error:
        if error.args[0].code() == tolerated:
            return None
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise InvalidSource(f"Kafka at {kafka}: there is no such topic") from error
        if error.args[0].code() in _PASSING:
            raise _NotYet(f"Kafka at {kafka}: {error.args[0].str()}") from error
        raise unavailable(kafka, error) from error
    except TimeoutError as error:
        raise Unavailable(f"Kafka at {kafka}: no answer within {2 * ANSWER_S:g} s") from error


def unavailable(kafka: str, error: KafkaException) -> Unavailable:
    """What the client says of a broker, in our words."""
    if error.args[0].code() in (KafkaError._TRANSPORT, KafkaError._TIMED_OUT):
        return Unavailable(f"Kafka at {kafka}: no answer within {ANSWER_S:g} s")
    return Unavailable(f"Kafka at {kafka}: {error.args[0].str()}")
