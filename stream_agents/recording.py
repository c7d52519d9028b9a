"""actions.<pack> -> rows: every final answer, to be written down once.

A row is an outcome, not an event: a repeat of an event is a row of its own. Its name is the place
of its decision in the log, which all copies of an answer share.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from feature_store.columns import TextColumn
from feature_store.fence import Fence
from feature_store.text import INVALID_TIME, parse_times
from models.contracts import ActionTaken, Reason
from producer.instants import rfc3339
from producer.records import Record, actions_topic
from stream_agents.lines import Lines, read_lines
from stream_agents.outcomes import (
    ENCODER,
    advance,
    first_copies,
    of_all_lines,
    source_of,
    tally_taken,
)
from stream_agents.stage import Change, Folded, Memory, Place

LONGEST_NAME = 512
"""Characters of an entity, far above what packs allow: an index cannot hold a longer one."""
LONGEST_EPOCH = 64
LARGEST = (1 << 63) - 1
"""Of a whole number in a row."""
LATEST_MS = 253_402_300_799_999
"""The end of the year 9999."""

NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
"""U+0000 in JSON. No text of PostgreSQL can hold it."""
IN_ITS_PLACE = "\ufffd"


class Answer(ActionTaken, frozen=True, omit_defaults=True, gc=False):
    """A line of `actions.<pack>` that a row can hold; whoever else writes there may exceed it."""

    entity: Annotated[str, Meta(max_length=LONGEST_NAME)] = ""
    ttl_s: Annotated[int, Meta(ge=-LARGEST, le=LARGEST)] | None = None


class Row(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An answer as it is written down.

    Args:
        epoch, partition, source_offset, line: Where its decision stands: id of the topic, place in
            it. For an answer that does not name its source, where the answer itself stands.
        decided_ms: Kafka's time of the answer, milliseconds since 1970.
        occurred_us: Event time, microseconds since 1970; None where there is none.
        Others: as in `ActionTaken`.
    """

    epoch: str
    partition: int
    source_offset: int
    line: int
    decided_ms: int
    event_id: str
    outcome: Literal["decided", "duplicate", "late", "dead"]
    action: Literal["allow", "alert", "challenge", "block"] | None = None
    entity: str = ""
    occurred_us: int | None = None
    score: float | None = None
    ttl_s: int | None = None
    rules: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    features: dict[str, float] | None = None
    model: str | None = None
    policy: str | None = None
    duplicate_of: str | None = None
    error: str | None = None
    degraded: str | None = None

    @property
    def name(self) -> str:
        """Its own among the rows of a partition."""
        return f"{self.source_offset}-{self.line} {self.epoch}"

    @property
    def taken(self) -> ActionTaken:
        """The answer again; its time is in UTC now."""
        occurred_at = "" if self.occurred_us is None else rfc3339(self.occurred_us)
        return ActionTaken(
            self.event_id,
            self.outcome,
            self.action,
            self.entity,
            occurred_at,
            self.score,
            self.ttl_s,
            self.rules,
            self.reasons,
            self.features,
            self.model,
            self.policy,
            self.duplicate_of,
            self.error,
            self.degraded,
        )


ROW = msgspec.json.Decoder(Row)


def place_in(name: str) -> tuple[int, int, str] | None:
    """Source offset, line and epoch in a row's name; None where it is none."""
    found = re.fullmatch("([0-9]{1,18})-([0-9]{1,9}) (.*)", name, re.DOTALL)
    return (int(found[1]), int(found[2]), found[3]) if found else None


@dataclass(frozen=True, slots=True)
class AnswerChunk:
    """Records of answers, not decoded yet: some may turn out to be repeats.

    Args:
        entities: None of each partition; that each is named has its fence looked at.
    """

    records: Sequence[Record]
    poisoned: Sequence[Place]
    entities: Mapping[int, Sequence[str]]


class Recording:
    """actions.<pack> -> rows, which are its states; it emits nothing but dead letters.

    What is written is never read back: the caller may keep its cache of states empty.
    """

    def __init__(self, pack: str) -> None:
        self._topic = actions_topic(pack)
        self._decoder = msgspec.json.Decoder(Answer)

    @property
    def layout(self) -> str:
        """Ever the same: rows are brought along by migrations, and the log ends before they do."""
        return ""

    def decode(self, records: Sequence[Record], poisoned: Sequence[Place] = ()) -> AnswerChunk:
        return AnswerChunk(records, poisoned, {record.partition: () for record in records})

    def fold(self, chunk: AnswerChunk, memory: Memory) -> Folded:
        records, upstream, alarms = first_copies(chunk.records, memory.fences)
        lines = read_lines(records, self._decoder, chunk.poisoned)
        made: list[ActionTaken] = list(lines.events)
        taken = of_all_lines(made, lines, ActionTaken)
        tallies = tally_taken(lines, taken)
        rows = rows_of(lines, taken, memory.fences)
        changes = {
            partition: Change(
                msgspec.structs.replace(fence, upstream=upstream[partition]),
                rows.get(partition, {}),
            )
            for partition, fence in advance(memory.fences, chunk.records, tallies).items()
        }
        dead = lines.dead_letters(self._topic)
        return Folded(dead, changes, tallies, alarms, recorded=records)

    async def answer(self, folded: Folded) -> None:
        """Nobody waits for a row."""


def rows_of(
    lines: Lines[msgspec.Struct], taken: Sequence[ActionTaken], fences: Mapping[int, Fence]
) -> dict[int, dict[str, bytes]]:
    """By partition and name, the rows of some answers, as JSON."""
    occurred = parse_times(TextColumn.of([answer.occurred_at for answer in taken])).tolist()
    rows: dict[int, dict[str, bytes]] = {}
    starts = lines.starts.tolist()
    for record, start, end in zip(lines.records, starts, starts[1:], strict=False):
        epoch, offset = origin(record, fences[record.partition].epoch)
        decided_ms = min(max(record.at_ms, 0), LATEST_MS)
        of_partition = rows.setdefault(record.partition, {})
        for number in range(start, end):
            place = epoch, record.partition, offset, number - start, decided_ms
            row = row_of(place, taken[number], occurred[number])
            of_partition[row.name] = storable(ENCODER.encode(row))
    return rows


def origin(record: Record, epoch: str) -> tuple[str, int]:
    """Topic and offset of what a record answers; its own where it does not say.

    Args:
        epoch: Id of the record's own topic.
    """
    source = source_of(record)
    if source is None or source.offset > LARGEST or len(source.epoch) > LONGEST_EPOCH:
        return epoch, record.offset
    return source.epoch, source.offset


def row_of(place: tuple[str, int, int, int, int], taken: ActionTaken, occurred_us: int) -> Row:
    """The row of an answer.

    Args:
        place: The first fields of the row.
        occurred_us: As `parse_times` gives it.
    """
    return Row(
        *place,
        taken.event_id,
        taken.outcome,
        taken.action,
        taken.entity,
        None if occurred_us == INVALID_TIME else occurred_us,
        taken.score,
        taken.ttl_s,
        taken.rules,
        taken.reasons,
        taken.features,
        taken.model,
        taken.policy,
        taken.duplicate_of,
        taken.error,
        taken.degraded,
    )


def storable(encoded: bytes) -> bytes:
    """JSON with another character in the place of each U+0000."""
    if b"\\u0000" not in encoded:
        return encoded
    return NUL.sub(rb"\1" + IN_ITS_PLACE.encode(), encoded)


def storable_text(text: str) -> str:
    """A text as it stands in the rows."""
    return text.replace("\0", IN_ITS_PLACE)
