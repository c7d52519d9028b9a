"""What could never be judged, as it stands on `dead-letter`, and what became of it since.

The topic is a log of two kinds of records. A letter holds a line's raw bytes, and its place and
reason in headers. A note, written when a letter was put back, holds nothing; its headers are
`retried`, the letter's id, and `as`, the place that the line was given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing

import msgspec

from models.errors import InvalidSource
from producer.records import DEAD_LETTER, OutRecord, Record
from producer.retained import KafkaRetained, Retained

RETRIED, AS = "retried", "as"


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A line that was set aside.

    Args:
        id: `partition:offset` on `dead-letter`.
        at_ms: When it was set aside, milliseconds since 1970.
        topic: Where the line stood; for a line of a replayed file, the file's name.
        partition, offset: Likewise; None for a line of a file.
        line: Within its record from 0, within a file from 1; None where it is not said.
        error: Class of the error.
        reason: In words.
        raw: The line's bytes.
        failures: How often the same line has failed by now.
        retried_as: Where it was put back, as `topic partition-offset`; None while it was not.
    """

    id: str
    at_ms: int
    topic: str
    partition: int | None
    offset: int | None
    line: int | None
    error: str
    reason: str
    raw: bytes
    failures: int = 1
    retried_as: str | None = None

    @property
    def is_of_topic(self) -> bool:
        """Whether it can be put back; a file's line has to be replayed again."""
        return self.partition is not None and self.offset is not None

    @property
    def record(self) -> str:
        return f"{self.topic} {self.partition}-{self.offset}"

    @property
    def source(self) -> str:
        """`events.access 2-57-0`, or `access.log:12`."""
        line = "" if self.line is None else str(self.line)
        if self.is_of_topic:
            return f"{self.record}-{line}" if line else self.record
        return f"{self.topic}:{line}" if line else self.topic


def read_letters(kafka: str) -> list[Letter]:
    """All letters that are there, the oldest first.

    Raises:
        InvalidSource: There is no such topic.
        Unavailable: The broker did not answer.
    """
    with closing(KafkaRetained(kafka, DEAD_LETTER)) as retained:
        return letters_of(every_record(retained))


def every_record(retained: Retained) -> Iterable[Record]:
    for partition, span in retained.spans().items():
        yield from retained.read(partition, span)


def letters_of(records: Iterable[Record]) -> list[Letter]:
    """Letters with what the notes say of them; a note may stand before what it explains."""
    letters: list[Letter] = []
    notes: dict[str, str] = {}
    for record in records:
        told = {name: value.decode(errors="replace") for name, value in record.headers}
        if RETRIED in told:
            notes[told[RETRIED]] = told.get(AS, "")
        else:
            letters.append(_letter(record, told))
    failures = _failures(letters, notes)
    return [
        msgspec.structs.replace(
            letter, retried_as=notes.get(letter.id), failures=failures[letter.id]
        )
        for letter in letters
    ]


def letter_of(letters: Iterable[Letter], wanted: str) -> Letter | None:
    return next((letter for letter in letters if letter.id == wanted), None)


def note(letter: Letter, put_back_as: str) -> OutRecord:
    """What says that a letter was put back, and where."""
    headers = ((RETRIED, letter.id.encode()), (AS, put_back_as.encode()))
    return OutRecord(DEAD_LETTER, int(letter.id.partition(":")[0]), b"", headers)


def put_back(letter: Letter, batch: str, part: int) -> OutRecord:
    """The line as a record for the partition that it came from.

    Raises:
        InvalidSource: It is the line of a file.
    """
    if letter.partition is None:
        raise InvalidSource(f"{letter.id}: is a line of {letter.topic}; mend and replay the file")
    headers = (("batch", batch.encode()), ("part", b"%d" % part))
    return OutRecord(letter.topic, letter.partition, identified(letter), headers)


def identified(letter: Letter) -> bytes:
    """The line, with the event id that its first try was given where it names none.

    So a line that is put back twice counts once. What is no JSON object stays as it is.
    """
    try:
        fields = msgspec.json.decode(letter.raw, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return letter.raw
    if bytes(fields.get("event_id", b'""')) != b'""':
        return letter.raw
    place = f"{letter.partition}-{letter.offset}-{letter.line or 0}"
    return msgspec.json.encode({**fields, "event_id": place})


def _letter(record: Record, told: Mapping[str, str]) -> Letter:
    return Letter(
        id=f"{record.partition}:{record.offset}",
        at_ms=record.at_ms,
        topic=told.get("topic", ""),
        partition=_number(told.get("partition")),
        offset=_number(told.get("offset")),
        line=_number(told.get("line")),
        error=told.get("error", ""),
        reason=told.get("reason", ""),
        raw=record.value,
    )


def _failures(letters: Iterable[Letter], notes: Mapping[str, str]) -> dict[str, int]:
    """By letter: one more than the letter whose retry it came from."""
    came_from = {put_back_as: before for before, put_back_as in notes.items()}
    counted: dict[str, int] = {}
    for letter in letters:  # the oldest first, so that what it came from is counted
        before = came_from.get(letter.record, "")
        counted[letter.id] = counted.get(before, 0) + 1
    return counted


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None
