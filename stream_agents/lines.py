"""Records to events: whole chunks decoded at once, and each unreadable line kept apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from feature_store.columns import Ints
from producer.records import DEAD_LETTER, OutRecord, Record
from stream_agents.stage import MOST_LINES, Place, lines_of

LINE_FEED, OPENING, CLOSING = b"\n{}"

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""All that the decoder raises over a line: the last over brackets nested by the thousand."""

LETTER_BYTES = 1024 * 1024
"""Of a dead letter, as large as a record of events may be; compressed it may have been larger."""
REASON_CHARS = 500
"""The decoder repeats a field that it does not know, however long its name."""

E = TypeVar("E", bound=msgspec.Struct, covariant=True)


@dataclass(frozen=True, slots=True)
class DeadLine:
    """A line that can never be judged, with the error's class and the reason in words."""

    raw: bytes
    error: str
    reason: str
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class Lines(Generic[E]):
    """A chunk's lines in offset order.

    Args:
        records: By partition, then offset.
        starts: Number of the first line of each record, and the count of all, `(n_records + 1,)`.
        events: Those lines that could be read.
        slots: Each event's number among all lines, `(n_events,)`.
        dead: Line number to why it is dead.
    """

    records: Sequence[Record]
    starts: Ints
    events: list[E]
    slots: Ints
    dead: Mapping[int, DeadLine]

    @property
    def record_of(self) -> NDArray[np.intp]:
        """The number of each event's record, `(n_events,)`."""
        return np.searchsorted(self.starts, self.slots, side="right") - 1

    def place(self, slot: int) -> Place:
        number = int(np.searchsorted(self.starts, slot, side="right")) - 1
        record = self.records[number]
        return Place(record.partition, record.offset, slot - int(self.starts[number]))

    def bury(self, reasons: Mapping[int, str]) -> Lines[E]:
        """The lines without the events given by number, which are dead for a reason."""
        dead = dict(self.dead)
        split: dict[int, list[bytes]] = {}
        for number, reason in reasons.items():
            event, slot = self.events[number], int(self.slots[number])
            raw = self._raw(slot, split)
            dead[slot] = DeadLine(raw, "InvalidEvent", reason, getattr(event, "event_id", ""))
        kept = [number for number in range(len(self.events)) if number not in reasons]
        events = [self.events[number] for number in kept]
        return Lines(self.records, self.starts, events, self.slots[kept], dead)

    def dead_letters(self, topic: str) -> list[OutRecord]:
        return [self._dead_letter(topic, slot, line) for slot, line in sorted(self.dead.items())]

    def _raw(self, slot: int, split: dict[int, list[bytes]]) -> bytes:
        """A line's bytes; a record is cut into its lines once, however many of them are asked for.

        Args:
            split: The lines of each record that was asked for before, by its number.
        """
        number = int(np.searchsorted(self.starts, slot, side="right")) - 1
        if number not in split:
            split[number] = lines_of(self.records[number].value)
        return split[number][slot - int(self.starts[number])]

    def _dead_letter(self, topic: str, slot: int, line: DeadLine) -> OutRecord:
        place = self.place(slot)
        headers = {
            "topic": topic,
            "partition": str(place.partition),
            "offset": str(place.offset),
            "line": str(place.line),
            "error": line.error,
            "reason": line.reason,
        }
        encoded = tuple((name, value.encode()) for name, value in headers.items())
        return OutRecord(DEAD_LETTER, 0, line.raw[:LETTER_BYTES], encoded)


def read_lines(
    records: Sequence[Record], decoder: msgspec.json.Decoder[E], poisoned: Sequence[Place] = ()
) -> Lines[E]:
    """Decodes all lines of some records.

    Args:
        poisoned: Lines that broke our code before: dead without another look.
    """
    if not poisoned and (lines := _read_at_once(records, decoder)):
        return lines
    return _read_one_by_one(records, decoder, frozenset(poisoned))


def _read_at_once(records: Sequence[Record], decoder: msgspec.json.Decoder[E]) -> Lines[E] | None:
    """All lines in one call, or None unless each holds exactly one event.

    The decoder also takes events broken over lines and several on a line. Where every line break
    stands between `}` and `{` no event is broken, and as many events as lines are one on each.
    """
    values = [record.value.rstrip(b"\n") for record in records]
    text = b"\n".join(values)
    if not (all(values) and text.startswith(b"{")):
        return None
    characters = np.frombuffer(text, np.uint8)
    breaks = np.flatnonzero(characters == LINE_FEED)
    if not ((characters[breaks - 1] == CLOSING) & (characters[breaks + 1] == OPENING)).all():
        return None
    try:
        events = decoder.decode_lines(text)
    except UNREADABLE:
        return None
    if len(events) != len(breaks) + 1:
        return None
    ends = np.cumsum([len(value) + 1 for value in values]) - 1
    starts = np.concatenate(([0], np.searchsorted(breaks, ends[:-1]) + 1, [len(events)]))
    if np.diff(starts).max() > MOST_LINES:
        return None
    return Lines(records, starts, events, np.arange(len(events)), {})


def _read_one_by_one(
    records: Sequence[Record], decoder: msgspec.json.Decoder[E], poisoned: frozenset[Place]
) -> Lines[E]:
    events: list[E] = []
    slots: list[int] = []
    dead: dict[int, DeadLine] = {}
    counts: list[int] = []
    for record in records:
        raws = lines_of(record.value)
        for line, raw in enumerate(raws):
            slot = sum(counts) + line
            if Place(record.partition, record.offset, line) in poisoned:
                dead[slot] = DeadLine(raw, "Poison", "this event breaks the detector's code")
                continue
            try:
                events.append(decoder.decode(raw))
                slots.append(slot)
            except UNREADABLE as error:
                dead[slot] = DeadLine(raw, type(error).__name__, reason_of(raw, error))
        counts.append(len(raws))
    return Lines(records, _starts(counts), events, np.array(slots, np.int64), dead)


def reason_of(raw: bytes, error: Exception) -> str:
    """Why a line is dead, in words."""
    if (breaks := raw.count(b"\n")) >= MOST_LINES:
        return f"a record has at most {MOST_LINES} lines, got {breaks + 1}"
    return str(error)[:REASON_CHARS]


def _starts(counts: Sequence[int]) -> Ints:
    return np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
