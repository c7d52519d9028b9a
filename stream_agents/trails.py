"""What a partition's log tells of each record: where its answer stands, and what that says.

An events record is followed to its decisions record, and that to its actions record, by the sources
that these name. The fences are read first and the topics after them: whatever a fence says was done
must be there, and what is under way meanwhile is not mistaken for missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from feature_store.fence import Fence
from models.contracts import Outcome
from producer.records import Record
from producer.retained import Retained
from stream_agents.outcomes import source_of
from stream_agents.sighting import id_of
from stream_agents.stage import lines_of

OUTCOMES = tuple(outcome.value for outcome in Outcome)
# Cannot occur inside a JSON string, where its quotes would be escaped.
MARKS = tuple(b'"outcome":"%s"' % name.encode() for name in OUTCOMES)
NOWHERE = -1


@dataclass(slots=True)
class Journal:
    """The event ids that a client has sent, and where they were met.

    Args:
        wanted: Each once; of an event that was sent again one answer is enough.
    """

    wanted: frozenset[str]
    logged: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)

    def see(self, value: bytes, met: set[str]) -> None:
        met |= self.wanted & set(map(id_of, lines_of(value)))


@dataclass(frozen=True, slots=True)
class Cut:
    """What was known of a partition before its log was looked at.

    Args:
        ingestion, decision: The stages' fences; None where nothing is stored.
        events, decisions: Ids of the two topics now.
    """

    ingestion: Fence | None
    decision: Fence | None
    events: str
    decisions: str

    @property
    def folded(self) -> int:
        """Offset of the newest events record of this topic that the ingestion stage has done."""
        fence = self.ingestion
        return fence.offset if fence and fence.epoch == self.events else NOWHERE

    def decided(self, partition: int) -> int:
        """Offset of the newest events record of this topic that the decision stage has done."""
        upstream = self.decision.upstream.get(str(partition)) if self.decision else None
        return upstream.offset if upstream and upstream.epoch == self.events else NOWHERE

    @property
    def are_decisions_whole(self) -> bool:
        """Whether the topic of decisions is the one that it was from the beginning."""
        fence = self.decision
        return fence is None or (fence.epoch == self.decisions and fence.before == 0)


@dataclass(frozen=True, slots=True)
class Topics:
    """A pack's topics, to be read beside the agents."""

    events: Retained
    decisions: Retained
    actions: Retained
    dead_letters: Retained


@dataclass(frozen=True, slots=True)
class Spans:
    """A partition's offsets that are there."""

    events: range
    decisions: range
    actions: range


@dataclass(slots=True)
class Trail:
    """A partition's records, by their offsets from the span's first.

    Args:
        lines: Of each events record; `NOWHERE` where an offset holds none.
        decided_as: The decisions records of each events record.
        outcomes: Of each decisions record that was answered, by outcome.
        spans: What was there; retention may have gone on since the offsets were asked for.
        strange: Decisions records that do not say which events record they are about, or are about
            one of another topic.
    """

    lines: NDArray[np.int64]
    decided_as: dict[int, list[int]]
    outcomes: dict[int, tuple[int, ...]]
    spans: Spans
    strange: int


def follow(
    topics: Topics, partition: int, spans: Spans, cut: Cut, journal: Journal | None
) -> Trail:
    events = Watched(topics.events.read(partition, spans.events))
    lines = np.full(len(spans.events), NOWHERE, np.int64)
    for record in events:
        lines[record.offset - spans.events.start] = len(lines_of(record.value))
        if journal:
            journal.see(record.value, journal.logged)
    decisions = Watched(topics.decisions.read(partition, spans.decisions))
    decided_as: dict[int, list[int]] = {}
    strange = 0
    for record in decisions:
        source = source_of(record)
        if source is None or source.epoch != cut.events:
            strange += 1
        else:
            decided_as.setdefault(source.offset, []).append(record.offset)
    actions = Watched(topics.actions.read(partition, spans.actions))
    outcomes: dict[int, tuple[int, ...]] = {}
    for record in actions:
        source = source_of(record)
        if source is not None and source.epoch == cut.decisions:
            # Of an answer that stands twice the first copy counts.
            outcomes.setdefault(source.offset, outcomes_in(record.value))
        if journal:
            journal.see(record.value, journal.answered)
    there = Spans(
        events.those_of(spans.events),
        decisions.those_of(spans.decisions),
        actions.those_of(spans.actions),
    )
    skipped = there.events.start - spans.events.start
    return Trail(lines[skipped:], decided_as, outcomes, there, strange)


class Watched:
    """Records as they are read, with the offset of the first."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = records
        self._first: int | None = None

    def __iter__(self) -> Iterator[Record]:
        for record in self._records:
            if self._first is None:
                self._first = record.offset
            yield record

    def those_of(self, span: range) -> range:
        """The span without what was not there any more."""
        return range(span.stop if self._first is None else self._first, span.stop)


def outcomes_in(value: bytes) -> tuple[int, ...]:
    return tuple(map(value.count, MARKS))


def letters_by_partition(
    records: Iterable[Record], topics: Callable[[str], bool]
) -> dict[tuple[str, int], set[tuple[int, int]]]:
    """The places, offset and line, of which there is a dead letter; each once.

    Args:
        topics: Whether letters from a topic are asked for.
    """
    found: dict[tuple[str, int], set[tuple[int, int]]] = {}
    for record in records:
        told = dict(record.headers)
        topic = told.get("topic", b"").decode(errors="replace")
        numbers = [told.get(name, b"") for name in ("partition", "offset", "line")]
        if topics(topic) and all(number.isdigit() for number in numbers):
            partition, offset, line = map(int, numbers)
            found.setdefault((topic, partition), set()).add((offset, line))
    return found
