"""What has arrived, in the order in which it came: of log files, and of a pack's own topic."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

from models.dataset import Arrival
from models.errors import InvalidEvent
from models.pack import DomainPack
from producer.instants import micros
from producer.records import Record
from producer.retained import Retained
from producer.sources import Source

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class History:
    """Arrivals of one source.

    Args:
        name: Of the files or of the topic.
        unreadable: Lines that are no event; left out.
    """

    name: str
    arrivals: Sequence[Arrival]
    unreadable: int


def of_files(paths: Sequence[str]) -> History:
    """Every readable line of access logs and tables, file after file.

    Of a single file, arrivals know their lines.

    Raises:
        InvalidSource: A file cannot be read.
    """
    sources = [Source(path) for path in paths]
    rows = [row for source in sources for row in source.rows() if row]
    is_single = len(sources) == 1
    arrivals = [Arrival(row.event, row.number if is_single else 0) for row in rows if row.event]
    name = ", ".join(source.name for source in sources)
    return History(name, arrivals, len(rows) - len(arrivals))


def of_topic(retained: Retained, pack: DomainPack) -> History:
    """All that `events.<pack>` holds by now, partition after partition.

    An event without an id has the one that the pipeline gave it. What is too far ahead of its
    record's time is left out, as the pipeline does.

    Raises:
        InvalidSource: There is no such topic.
        Unavailable: The broker did not answer.
    """
    arrivals: list[Arrival] = []
    lines = 0
    for partition, span in retained.spans().items():
        for record in retained.read(partition, span):
            raws = record.value.rstrip(b"\n").split(b"\n")
            lines += len(raws)
            arrivals += _arrivals(pack, record, raws)
    return History(f"topic {retained.topic}", arrivals, lines - len(arrivals))


def _arrivals(pack: DomainPack, record: Record, raws: Sequence[bytes]) -> list[Arrival]:
    latest = record.at_ms * 1_000 + pack.max_skew // MICROSECOND
    arrivals = []
    for line, raw in enumerate(raws):
        with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError, InvalidEvent):
            event: Any = msgspec.json.decode(raw, type=pack.event)
            if micros(event.occurred_at) <= latest:
                arrivals.append(Arrival(_identified(event, record, line)))
    return arrivals


def _identified(event: Any, record: Record, line: int) -> Any:  # of the pack's type
    if event.event_id:
        return event
    name = f"{record.partition}-{record.offset}-{line}"
    return msgspec.structs.replace(event, event_id=name)
