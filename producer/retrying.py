"""Dead letters back into the pipeline, and what became of each."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import uuid_utils
from confluent_kafka import KafkaError, Message

from models.errors import InvalidSource, Unavailable
from producer.dead_letters import Letter, note, put_back
from producer.ledger import Ledger, OutcomeWatch
from producer.publisher import Delivered, Publisher
from producer.records import actions_topic
from producer.topics import end_offsets, partition_counts

DELIVERY_S = 10.0
_LOOK_S = 0.05


@dataclass(slots=True)
class Retried:
    """What came of putting letters of one pack back.

    Args:
        ledger: Of the lines that Kafka has again.
        moved: Letter id to the place that its line was given, as `topic partition-offset`.
        error: Why Kafka does not have the others.
    """

    ledger: Ledger = field(default_factory=Ledger)
    moved: dict[str, str] = field(default_factory=dict)
    error: Unavailable | None = None


def by_pack(letters: Iterable[Letter]) -> Mapping[str, Sequence[Letter]]:
    grouped: dict[str, list[Letter]] = {}
    for letter in letters:
        grouped.setdefault(letter.topic.partition(".")[2], []).append(letter)
    return grouped


def require_topics(kafka: str, letters: Iterable[Letter]) -> None:
    """Raises InvalidSource for a letter whose topic or partition is not there."""
    counts = partition_counts(kafka)
    for letter in letters:
        if letter.partition is None or letter.partition >= counts.get(letter.topic, 0):
            raise InvalidSource(f"{letter.id}: there is no {letter.source} to put it back to")


def retry(kafka: str, pack: str, letters: Sequence[Letter], wait_s: float) -> Retried:
    """Put letters of a pack back, note that they were, and follow each to its outcome.

    A crash before the note leaves a letter as it was; its event id makes a second try a duplicate.

    Args:
        wait_s: For how long no outcome may come before the rest counts as missing.

    Raises:
        Unavailable: Kafka did not answer at the start. Later faults are in what is returned.
    """
    retried, batch, answers = Retried(), str(uuid_utils.uuid7()), actions_topic(pack)
    offsets = end_offsets(kafka, answers)
    with OutcomeWatch(kafka, answers, offsets, batch, retried.ledger) as watch:
        with Publisher(kafka, delivery_timeout_s=DELIVERY_S) as publisher:
            for part, letter in enumerate(letters):
                retried.ledger.sent += 1
                retried.ledger.expect(part, 1)
                publisher.put(put_back(letter, batch, part), _moves(letter, publisher, retried))
            publisher.flush(DELIVERY_S)
        _note(kafka, letters, retried)
        _await(retried, watch, wait_s)
    return retried


def _moves(letter: Letter, publisher: Publisher, retried: Retried) -> Delivered:
    """What hears where a letter's line has got to; only the publisher's thread calls it."""

    def reported(error: KafkaError | None, message: Message) -> None:
        if error is None:
            place = f"{message.partition()}-{message.offset()}"
            retried.moved[letter.id] = f"{letter.topic} {place}"
        else:
            retried.error = publisher.fault(error)

    return reported


def _note(kafka: str, letters: Iterable[Letter], retried: Retried) -> None:
    def reported(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            retried.error = publisher.fault(error)

    with Publisher(kafka, delivery_timeout_s=DELIVERY_S) as publisher:
        for letter in letters:
            if place := retried.moved.get(letter.id):
                publisher.put(note(letter, place), reported)


def _await(retried: Retried, watch: OutcomeWatch, wait_s: float) -> None:
    while not retried.ledger.is_settled and retried.error is None:
        if time.monotonic() - watch.last_news > wait_s:
            return
        time.sleep(_LOOK_S)
