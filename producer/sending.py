"""Rows into Kafka: readable ones to `events.<pack>`, the others to the dead letters."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

import msgspec
from confluent_kafka import KafkaError, Message

from models.errors import InvalidEvent, Unavailable
from models.packs.access.events import AccessEvent
from producer.ledger import Ledger
from producer.positions import Group, Watermark
from producer.publisher import (
    BYTES_PER_RECORD,
    EVENTS_PER_RECORD,
    Delivered,
    Publisher,
    records_of,
)
from producer.records import DEAD_LETTER, OutRecord
from producer.rows import Row

_encode = msgspec.json.Encoder().encode
_FULL_BYTES = 2 * BYTES_PER_RECORD


@dataclass(slots=True)
class Rejections:
    """Unreadable lines, counted by the rule they break, each with the place of its first."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        rule = row.reason.partition(", got ")[0].partition(" (")[0]
        self.counts[rule] += 1
        self.first.setdefault(rule, f"{row.source}:{row.number}")

    def lines(self) -> list[str]:
        return [
            f"rejected {count:,}: {rule} (first at {self.first[rule]})"
            for rule, count in self.counts.most_common()
        ]


class Sender:
    """Collects rows, groups them into records and hands these to Kafka.

    Args:
        batch: Id of the replay, in every record's headers.
    """

    def __init__(
        self, publisher: Publisher, pack: str, partitions: int, batch: str, ledger: Ledger
    ) -> None:
        self.rejections = Rejections()
        self.failure: Unavailable | None = None
        self._publisher = publisher
        self._pack = pack
        self._partitions = partitions
        self._batch = batch
        self._ledger = ledger
        self._parts = 0
        self._watermark = Watermark()
        self._groups: deque[Group] = deque()
        self._start_buffer()

    @property
    def is_acknowledged(self) -> bool:
        """Whether Kafka has reported on all that was handed over."""
        while self._groups and self._groups[0].open == 0:
            self._groups.popleft()
        return not self._groups

    def start_source(self, after: int = 0) -> Watermark:
        """Begin a source, after so many lines; returns what tells how far it is acknowledged."""
        self.flush()
        self._watermark = Watermark(after)
        return self._watermark

    def add(self, row: Row, event: AccessEvent | None) -> None:
        """Take a row; it is sent with others, at the latest by `flush`.

        Args:
            event: The row's event as it is to be sent; None for an unreadable row.
        """
        self._ledger.sent += 1
        self._last_line = row.number
        try:
            line = line_of(event, row.reason)
        except InvalidEvent as error:
            self._reject(row._replace(reason=str(error)))
        else:
            self._events.append(line)
            self._bytes += len(line[2])
        if self._rows_held >= self._partitions * EVENTS_PER_RECORD or self._bytes > _FULL_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand over what is held.

        Raises:
            Unavailable: Kafka's queue stayed full.
        """
        if not self._rows_held:
            return
        records, letters = self._records(), self._dead_letters
        group = self._watermark.opened(self._last_line, len(records) + len(letters))
        self._groups.append(group)
        self._start_buffer()
        for record in records:
            self._publisher.put(record, self._reporter(group))
        for letter in letters:
            self._publisher.put(letter, self._reporter(group, rejected=1))

    @property
    def _rows_held(self) -> int:
        return len(self._events) + len(self._dead_letters)

    def _start_buffer(self) -> None:
        self._events: list[tuple[str, str, bytes]] = []
        self._dead_letters: list[OutRecord] = []
        self._bytes = 0
        self._last_line = 0

    def _reject(self, row: Row) -> None:
        self.rejections.add(row)
        self._dead_letters.append(dead_letter_of(row))
        self._bytes += len(row.raw)

    def _records(self) -> list[OutRecord]:
        records = records_of(
            self._pack, self._events, self._partitions, batch=self._batch, first_part=self._parts
        )
        for part, record in enumerate(records, self._parts):
            self._ledger.expect(part, record.value.count(b"\n") + 1)
        self._parts += len(records)
        return records

    def _reporter(self, group: Group, rejected: int = 0) -> Delivered:
        """What hears of one record's delivery; only the publisher's thread calls it."""

        def reported(error: KafkaError | None, _: Message) -> None:
            if error is None:
                self._ledger.rejected += rejected
            else:
                self.failure, group.failed = self._publisher.fault(error), True
            group.open -= 1

        return reported


def dead_letter_of(row: Row) -> OutRecord:
    """An unreadable line with the place where it stands and the rule that it breaks."""
    headers = (
        ("topic", _ascii(row.source)),
        ("line", b"%d" % row.number),
        ("error", InvalidEvent.__name__.encode()),
        ("reason", _ascii(row.reason)),
    )
    return OutRecord(DEAD_LETTER, 0, row.raw[:BYTES_PER_RECORD], headers)


def line_of(event: AccessEvent | None, reason: str = "") -> tuple[str, str, bytes]:
    """An event's id, entity and line on the wire.

    Raises:
        InvalidEvent: There is no event, for the reason given, or it fits no record.
    """
    if event is None:
        raise InvalidEvent(reason)
    try:
        line = _encode(event)
    except UnicodeEncodeError as error:
        raise InvalidEvent("event: must be text that UTF-8 can hold") from error
    if len(line) > BYTES_PER_RECORD:
        raise InvalidEvent(f"event: must be <= {BYTES_PER_RECORD} bytes, got {len(line)}")
    return event.event_id, event.client_ip, line


def _ascii(text: str) -> bytes:
    return text.encode("ascii", "replace")
