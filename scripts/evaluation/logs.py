"""Access logs as events with their times, and a hash that says which events they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice

import msgspec
import numpy as np

from feature_store.columns import Ints, TextColumn
from feature_store.text import parse_times
from models.errors import InvalidSource
from models.packs.access.events import AccessEvent
from producer.sources import Source


@dataclass(frozen=True, slots=True)
class Traffic:
    """Events in the order of their log.

    Args:
        name: The log's file name.
        at: Microseconds since 1970, `(n_events,)`.
        lines: Each event's line in the log, from 1.
    """

    name: str
    events: Sequence[AccessEvent]
    at: Ints
    lines: Sequence[int]

    def __len__(self) -> int:
        return len(self.events)


def background_of(log: str) -> Traffic:
    """Every readable line of a log, in the log's order.

    Raises:
        InvalidSource: There is no such file, or no line of it can be read.
    """
    source = Source(log)
    return _of(log, source.name, list(_readable(source)))


def attack_of(log: str, lines: int, after: int = 0) -> Traffic:
    """The first readable lines of a scanner's log, by their time.

    Args:
        after: How many lines are left out before the first.

    Raises:
        InvalidSource: There is no such file, or no line of it can be read.
    """
    source = Source(log)
    taken = _of(log, source.name, list(islice(_readable(source), after, after + lines)))
    order = np.argsort(taken.at, kind="stable").tolist()
    return Traffic(
        taken.name,
        [taken.events[i] for i in order],
        taken.at[order],
        [taken.lines[i] for i in order],
    )


def digest_of(given: Sequence[Traffic]) -> str:
    """SHA-256 of the events as NDJSON, log after log."""
    digest = sha256()
    for each in given:
        digest.update(msgspec.json.Encoder().encode_lines(each.events))
    return digest.hexdigest()


def _readable(source: Source) -> Iterator[tuple[int, AccessEvent]]:
    return ((row.number, row.event) for row in source.rows() if row and row.event)


def _of(log: str, name: str, numbered: Sequence[tuple[int, AccessEvent]]) -> Traffic:
    if not numbered:
        raise InvalidSource(f"{log}: holds no readable line of an access log")
    lines, events = zip(*numbered, strict=True)
    at = parse_times(TextColumn.of([event.occurred_at for event in events]))
    return Traffic(name, events, at, lines)
