"""What flows over a topic, as it comes, read beside the agents."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from models.errors import InvalidSource
from producer.records import Record
from producer.retained import AT_ONCE, record_of
from producer.topics import end_offsets, partition_counts

_log = logging.getLogger("centinela.kafka")


def follow(
    kafka: str, topic: str, say: Callable[[str], None], *, from_beginning: bool = False
) -> Generator[Record]:
    """A topic's records for ever: those that come from now on, or from the oldest on.

    Of one partition they come in order.

    Args:
        say: Is told, once each time, when the broker has gone; its return is waited for.

    Raises:
        InvalidSource: There is no such topic.
        Unavailable: The broker did not answer at the start.
    """
    counts = partition_counts(kafka)
    if topic not in counts:
        known = ", ".join(sorted(name for name in counts if not name.startswith("__"))) or "none"
        raise InvalidSource(f"topic {topic}: there is none at {kafka}; there are {known}")
    if from_beginning:
        starts = dict.fromkeys(range(counts[topic]), OFFSET_BEGINNING)
    else:
        starts = end_offsets(kafka, topic)
    return _following(kafka, [TopicPartition(topic, *place) for place in starts.items()], say)


def _following(
    kafka: str, places: list[TopicPartition], say: Callable[[str], None]
) -> Generator[Record]:
    is_away = False

    def noticed(error: KafkaError) -> None:
        nonlocal is_away
        if error.code() == KafkaError._ALL_BROKERS_DOWN and not is_away:
            is_away = True
            say(f"Kafka at {kafka}: does not answer; waiting for it")

    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "following",  # asked for by the client, never joined
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 100,
            "error_cb": noticed,
            "logger": _log,
        }
    )
    consumer.assign(places)
    try:
        while True:
            # Of any error the client tries again on its own.
            for message in consumer.consume(AT_ONCE, 0.1):
                if not message.error() and (record := record_of(message)):
                    is_away = False
                    yield record
    finally:
        consumer.close()
