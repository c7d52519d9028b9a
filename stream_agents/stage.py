"""What a stage of the pipeline is to the loop: pure functions over chunks."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from feature_store.fence import Fence
from feature_store.seen import SeenIds
from feature_store.state import UnreadableState
from models.contracts import Outcome
from producer.records import OutRecord, Record


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an event stands in its log."""

    partition: int
    offset: int
    line: int

    @property
    def text(self) -> str:
        return f"{self.partition}-{self.offset}-{self.line}"

    @classmethod
    def read(cls, text: str) -> Place | None:
        """The place behind its text; None where it is none."""
        found = re.fullmatch("([0-9]{1,9})-([0-9]{1,18})-([0-9]{1,9})", text)
        return cls(*map(int, found.groups())) if found else None


@dataclass(frozen=True, slots=True)
class Memory:
    """All that a fold may know about the past, per partition."""

    fences: Mapping[int, Fence]
    seen: Mapping[int, SeenIds]
    states: Mapping[int, Mapping[str, bytes]]

    def copy(self) -> Memory:
        """A copy whose remembered ids may be spoilt."""
        seen = {partition: ids.copy() for partition, ids in self.seen.items()}
        return Memory(self.fences, seen, self.states)


@dataclass(frozen=True, slots=True)
class Change:
    """What a chunk does to one partition."""

    fence: Fence
    states: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many events of a partition ended with an outcome and an action (empty for none)."""

    partition: int
    outcome: Outcome
    action: str
    events: int


@dataclass(frozen=True, slots=True)
class KeptDecision:
    """An answer other than allow, to be explained later.

    Args:
        epoch: Id of the topic that the event stands on; empty where it is not known.
        place: The event's place there; None where it is not known.
        line: The answer, as it stands on `actions.<pack>`.
    """

    event_id: str
    epoch: str
    place: Place | None
    line: bytes


@dataclass(frozen=True, slots=True)
class Folded:
    """A chunk's effects: what to publish, to commit, to count, to keep, and what is amiss.

    Args:
        recorded: The records whose effects are in the changes alone, where a stage answers none.
        degraded: Per partition, how many events were answered with less known than should be.
    """

    records: Sequence[OutRecord]
    changes: Mapping[int, Change]
    tallies: Sequence[Tally] = ()
    alarms: Sequence[str] = ()
    kept: Sequence[KeptDecision] = ()
    recorded: Sequence[Record] = ()
    degraded: Mapping[int, int] = field(default_factory=dict)


class Decoded(Protocol):
    """A decoded chunk: which entities' states its fold will want, per partition."""

    @property
    def entities(self) -> Mapping[int, Sequence[str]]: ...


class Stage(Protocol):
    """A step of the pipeline, from columns to columns; no clock, no I/O but `answer`."""

    @property
    def layout(self) -> str:
        """How the states are laid out: states of another layout are folded again from the log."""

    def decode(self, records: Sequence[Record], poisoned: Sequence[Place] = ()) -> Any:
        """Raw records to a `Decoded` chunk. Lines that cannot be read are dead, not errors."""

    def fold(self, chunk: Any, memory: Memory) -> Folded:
        """The chunk's outcomes in offset order; a poisoned line is dead."""

    async def answer(self, folded: Folded) -> None:
        """Tells callers who wait; idempotent."""


async def find_poison(
    records: Sequence[Record], attempt: Callable[[Sequence[Place]], object]
) -> list[Place]:
    """The lines that make an attempt raise, each found in its context, behind those before it.

    What raises only after certain events is found too, as the last line of the shortest beginning
    that does.

    Others have a turn before each attempt: of a large record there are thousands, and who sends no
    heartbeat for so long is taken for dead.

    Args:
        attempt: Tries the records without the lines given.
    """
    places = [
        Place(record.partition, record.offset, line)
        for record in records
        for line in range(len(lines_of(record.value)))
    ]
    found: list[Place] = []

    async def fails(end: int) -> bool:
        await asyncio.sleep(0)
        try:
            attempt([*found, *places[end:]])
        except UnreadableState:
            raise  # the fault is in the store or in an upgrade, never in an event
        except Exception:  # the same catch as the worker's: this is its search
            return True
        return False

    begun = 0
    while begun < len(places) and await fails(len(places)):
        passing, failing = begun, len(places)
        while failing - passing > 1:
            middle = (passing + failing) // 2
            passing, failing = (passing, middle) if await fails(middle) else (middle, failing)
        found.append(places[failing - 1])
        begun = failing
    return found


MOST_LINES = 10_000
"""Of a record. Each costs an outcome of some kilobytes, and all of a record's travel in one record:
with more, a megabyte of two-byte lines would stand still, and be read again, for ever."""


def lines_of(value: bytes) -> list[bytes]:
    """A record's lines; blank ones are none. With too many it is one line, which no event is."""
    lines = [line for line in value.split(b"\n") if line.strip()]
    return lines if len(lines) <= MOST_LINES else [value]
