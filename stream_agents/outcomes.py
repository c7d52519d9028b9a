"""One outcome for every line: counting them, moving the fences, and wrapping them in records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from feature_store.fence import Fence, Upstream
from models.contracts import ActionTaken, Outcome, ScoredEvent
from producer.records import Headers, OutRecord, Record
from stream_agents.lines import Lines
from stream_agents.stage import Tally

CARRIED = frozenset({"batch", "part", "reply", "trace"})
"""Headers that a record hands on from stage to stage."""
LONGEST_OFFSET = 19
"""Digits of a 64-bit number."""
ENCODER = msgspec.json.Encoder()
ENDED = attrgetter("outcome")
ANSWERED = attrgetter("outcome", "action")

Answered = TypeVar("Answered", ScoredEvent, ActionTaken)


def of_all_lines(
    made: list[Answered], lines: Lines[msgspec.Struct], kind: type[Answered]
) -> list[Answered]:
    """The outcomes of the events with those of the dead lines in their places."""
    if not lines.dead:
        return made
    placed = dict(zip(lines.slots.tolist(), made, strict=True))
    for slot, line in lines.dead.items():
        event_id = line.event_id or lines.place(slot).text
        placed[slot] = kind(event_id, "dead", error=f"{line.error}: {line.reason}")
    return [placed[slot] for slot in sorted(placed)]


def tally_scored(lines: Lines[msgspec.Struct], outcomes: Sequence[ScoredEvent]) -> list[Tally]:
    return [
        Tally(record.partition, Outcome(ended), "", events)
        for record, part in _parts(lines, outcomes)
        for ended, events in Counter(map(ENDED, part)).items()
    ]


def tally_taken(lines: Lines[msgspec.Struct], outcomes: Sequence[ActionTaken]) -> list[Tally]:
    return [
        Tally(record.partition, Outcome(ended), action or "", events)
        for record, part in _parts(lines, outcomes)
        for (ended, action), events in Counter(map(ANSWERED, part)).items()
    ]


def advance(
    fences: Mapping[int, Fence], records: Iterable[Record], tallies: Iterable[Tally]
) -> dict[int, Fence]:
    """The fences after some records, in offset order, with the totals raised."""
    offsets = {record.partition: record.offset for record in records}
    ended = Counter[tuple[int, str]]()
    for tally in tallies:
        ended[tally.partition, tally.outcome.value] += tally.events
    after = {}
    for partition, offset in offsets.items():
        fence = fences[partition]
        totals = {
            outcome.value: getattr(fence, outcome.value) + ended[partition, outcome.value]
            for outcome in Outcome
        }
        after[partition] = replace(fence, offset=offset, **totals)
    return after


def publish(
    topic: str,
    fences: Mapping[int, Fence],
    lines: Lines[msgspec.Struct],
    outcomes: Sequence[Answered],
) -> list[OutRecord]:
    """For each source record one record, on the same partition, its source in the headers."""
    return [
        OutRecord(
            topic,
            record.partition,
            ENCODER.encode_lines(part).rstrip(b"\n"),
            _handed_on(record, fences[record.partition].epoch),
        )
        for record, part in _parts(lines, outcomes)
    ]


def _handed_on(record: Record, epoch: str) -> Headers:
    carried = [header for header in record.headers if header[0] in CARRIED]
    source = [("source-epoch", epoch.encode()), ("source-offset", b"%d" % record.offset)]
    return (*carried, *source, ("arrived", b"%d" % arrived_ms(record)))


def arrived_ms(record: Record) -> int:
    """Kafka's time of the `events` record behind a record, milliseconds since 1970."""
    told = record.header("arrived") or b""
    # On `events` itself a producer may have written anything there.
    is_ours = bool(record.header("source-epoch")) and told.isdigit() and len(told) < 16
    return int(told) if is_ours else record.at_ms


def first_copies(
    records: Sequence[Record], fences: Mapping[int, Fence]
) -> tuple[list[Record], dict[int, dict[str, Upstream]], list[str]]:
    """Drops what a stage before us emitted again after a crash.

    Returns:
        The records not applied yet; per partition, the newest source applied once they are; and
        an alarm for every source that is missing in between.
    """
    newest = {partition: dict(fence.upstream) for partition, fence in fences.items()}
    fresh, alarms = [], []
    for record in records:
        source, key = source_of(record), str(record.partition)
        known = newest[record.partition].get(key)
        if source and known and source.epoch == known.epoch:
            if source.offset <= known.offset:
                continue
            if source.offset > known.offset + 1:
                alarms.append("upstream-gap")
        if source:
            newest[record.partition][key] = source
        fresh.append(record)
    return fresh, newest, alarms


def source_of(record: Record) -> Upstream | None:
    """The record of the stage before that a record answers; None where it does not say.

    Headers hold any bytes: whoever may write to the topic may have sent them.
    """
    epoch, offset = record.header("source-epoch"), record.header("source-offset")
    if not epoch or not offset or not offset.isdigit() or len(offset) > LONGEST_OFFSET:
        return None
    return Upstream(epoch.decode(errors="replace"), int(offset))


def _parts(
    lines: Lines[msgspec.Struct], outcomes: Sequence[Answered]
) -> Iterable[tuple[Record, Sequence[Answered]]]:
    starts = lines.starts.tolist()
    for record, start, end in zip(lines.records, starts, starts[1:], strict=False):
        yield record, outcomes[start:end]
