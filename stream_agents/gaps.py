"""Breaks in what a partition remembers: where they are, and which events they are felt in.

All of it depends on the log and the fence alone, so that a chunk that is folded again comes out the
same, and a restart forgets no break.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec
import numpy as np
from msgspec.structs import replace

from feature_store.columns import Ints, Mask
from feature_store.fence import Fence, Gap
from producer.instants import rfc3339
from producer.records import Record
from stream_agents.lines import Lines
from stream_agents.outcomes import source_of
from stream_agents.stage import Memory

CAUSES = {
    "lost": "records went before they were folded",
    "forgotten": "the log does not reach back over what was forgotten",
    "recreated": "the topic was made again",
}


def of_new_topic(fence: Fence, epoch: str) -> Fence:
    """The fence of a topic that was made again; what the states hold of the one before stays."""
    gap = Gap("recreated", records=0)
    return replace(fence, epoch=epoch, offset=-1, gap=gap, before=fence.events)


def is_unplaced(fence: Fence) -> bool:
    """Whether the first record after the newest gap is still to come."""
    return fence.gap is not None and fence.gap.offset < 0


def gap_before(record: Record, expected: int, fence: Fence) -> Gap:
    """The gap before a record that is not the one after what a fence has folded.

    Args:
        expected: The offset after what was folded.
    """
    if fence.gap is not None and is_unplaced(fence):
        cause = fence.gap.cause
    else:
        cause = "lost" if fence.offset >= 0 else "forgotten"
    return Gap(cause, record.offset, record.at_ms, record.offset - expected)


def end_us(gap: Gap, felt_for: timedelta) -> int:
    """From when on a gap is not felt any more, microseconds since 1970.

    Args:
        felt_for: How far back the states reach.
    """
    return gap.at_ms * 1_000 + felt_for // timedelta(microseconds=1)


def feels(gap: Gap, felt_for: timedelta, at_us: Ints, arrived_ms: Ints) -> Mask:
    """Which events' states may miss something, `(n_events,)`.

    An event that comes after a gap has ended may be older than that, and reach back behind the gap.
    What is replayed years later is not: nothing of its time can have been lost just before the gap.

    Args:
        at_us: Event times.
        arrived_ms: Kafka's time of the record of each.
    """
    end = end_us(gap, felt_for)
    begins = gap.at_ms * 1_000 - felt_for // timedelta(microseconds=1)
    mask: Mask = (arrived_ms * 1_000 < end) | ((at_us >= begins) & (at_us < end))
    return mask


def incomplete(gap: Gap, felt_for: timedelta, what: str) -> str:
    """A gap in words, for those who read an answer."""
    until = rfc3339(end_us(gap, felt_for))
    return f"{what} incomplete until {until}: {CAUSES[gap.cause]}"


def felt_in(
    fences: Mapping[int, Fence],
    lines: Lines[msgspec.Struct],
    at_us: Ints,
    felt_for: timedelta,
    what: str,
) -> dict[int, str]:
    """By number, the events whose states may miss something, and how to say so.

    Args:
        at_us: Event times, `(n_events,)`.
        what: Is incomplete: `features are`.
    """
    gaps = {partition: fence.gap for partition, fence in fences.items() if fence.gap}
    if not gaps:
        return {}
    of_record = lines.record_of
    partition_of = np.array([record.partition for record in lines.records], np.int64)[of_record]
    arrived_ms = np.array([record.at_ms for record in lines.records], np.int64)[of_record]
    felt: dict[int, str] = {}
    for partition, gap in gaps.items():
        here = (partition_of == partition) & feels(gap, felt_for, at_us, arrived_ms)
        felt |= dict.fromkeys(np.flatnonzero(here).tolist(), incomplete(gap, felt_for, what))
    return felt


def healed(memory: Memory, records: Sequence[Record]) -> Memory:
    """Without the gaps in which nothing was lost, as the sources of the records tell."""
    fences = dict(memory.fences)
    for record in records:
        fence = fences[record.partition]
        if fence.gap and fence.gap.offset == record.offset and follows(record, fence):
            fences[record.partition] = replace(fence, gap=None)
    return Memory(fences, memory.seen, memory.states)


def follows(record: Record, fence: Fence) -> bool:
    """Whether a record answers the source after the last that was applied, or one before that."""
    source, known = source_of(record), fence.upstream.get(str(record.partition))
    if source is None or (known and known.epoch != source.epoch):
        return False
    return source.offset <= (known.offset if known else -1) + 1
