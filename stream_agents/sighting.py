"""Finding an event and its answer in the log, by the event's id or by its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from models.contracts import ActionTaken
from models.errors import DetectionError
from models.pack import DomainPack
from producer.records import Record
from producer.retained import Retained
from stream_agents.stage import KeptDecision, Place, lines_of

Tell = Callable[[Record], None]
"""Is told of every record that was looked at."""

PLAIN = re.compile("[A-Za-z0-9_.:-]+")
"""What stands in JSON as it is, whoever wrote it."""


class Named(msgspec.Struct, frozen=True):
    """The one field of a line that says which event it is about."""

    event_id: str = ""


NAMED = msgspec.json.Decoder(Named)
TAKEN = msgspec.json.Decoder(ActionTaken)


@dataclass(frozen=True, slots=True)
class Sighting:
    """An event in its topic.

    Args:
        event_id: Under which it was answered: that of its place where it has none that can be read.
        line: As it was sent.
        at_ms: Kafka's record time.
    """

    event_id: str
    place: Place
    line: bytes
    at_ms: int


def find_event(
    pack: DomainPack, events: Retained, spans: Mapping[int, range], event_id: str, tell: Tell
) -> Sighting | None:
    """The first event of an id within some spans; None where there is none.

    An id that is a place, as events without one of their own are given, is looked up there first.
    """
    place = Place.read(event_id)
    if place is not None and place.partition in spans:
        record = events.record(place.partition, place.offset)
        lines = lines_of(record.value) if record else []
        if record and place.line < len(lines):
            there = seen(pack, record, place.line, lines[place.line])
            if there.event_id == event_id:
                return there
    for partition, span in spans.items():
        for record, number, line in lines_about(events, partition, span, event_id, tell):
            return seen(pack, record, number, line)
    return None


def seen(pack: DomainPack, record: Record, number: int, line: bytes) -> Sighting:
    place = Place(record.partition, record.offset, number)
    try:
        own = msgspec.json.decode(line, type=pack.event).event_id  # type: ignore[attr-defined]  # every pack's has one
    except (msgspec.DecodeError, UnicodeDecodeError):
        own = ""
    return Sighting(own or place.text, place, line, record.at_ms)


def find_answer(
    actions: Retained, span: tuple[int, range], event_id: str, tell: Tell
) -> ActionTaken | None:
    """The first answer about an event within a partition's span."""
    for _, _, line in lines_about(actions, *span, event_id, tell):
        return TAKEN.decode(line)
    return None


def lines_about(
    topic: Retained, partition: int, span: range, event_id: str, tell: Tell
) -> Iterator[tuple[Record, int, bytes]]:
    """The lines that name an event; most records are passed over by one search in their bytes."""
    needle = max(PLAIN.findall(event_id), key=len, default="").encode()
    for record in topic.read(partition, span):
        tell(record)
        if needle in record.value:
            for number, line in enumerate(lines_of(record.value)):
                if needle in line and id_of(line) == event_id:
                    yield record, number, line


def event_of(kept: KeptDecision, events: Retained) -> tuple[bytes | None, str | None]:
    """The event that a kept answer is about, or why it is not to be had."""
    if kept.place is None:
        return None, f"its place in {events.topic} is not known"
    try:
        if events.epoch() != kept.epoch:
            return None, f"{events.topic} has been deleted and made again since"
        record = events.record(kept.place.partition, kept.place.offset)
    except DetectionError:
        return None, f"{events.topic} does not answer"
    if record is None:
        return None, f"retention has removed it from {events.topic}"
    lines = lines_of(record.value)
    if kept.place.line < len(lines):
        line = lines[kept.place.line]
        if (id_of(line) or kept.place.text) == kept.event_id:
            return line, None
    return None, f"another event stands at its place in {events.topic}"


def id_of(line: bytes) -> str:
    """The id in a line; empty where there is none, or where the line cannot be read."""
    try:
        return NAMED.decode(line).event_id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
