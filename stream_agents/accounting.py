"""What went into a chunk, told from its raw records, to be held against what came out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from producer.records import OutRecord, Record
from stream_agents.stage import Tally, lines_of

LINE_FEED = 10


def sources_of(answers: Iterable[OutRecord]) -> set[tuple[int, int]]:
    """Partition and offset of each record that was answered."""
    return {
        (answer.partition, int(value))
        for answer in answers
        for name, value in answer.headers
        if name == "source-offset"
    }


def dropped(records: Sequence[Record], fresh: Sequence[Record]) -> Mapping[int, int]:
    """How many records of each partition were repeats."""
    here = Counter(record.partition for record in records)
    here.subtract(record.partition for record in fresh)
    return {partition: repeats for partition, repeats in here.items() if repeats}


def lines_of_each(records: Sequence[Record]) -> list[int]:
    """How many lines each record has, if none is blank.

    Over 60 KiB numpy is five times as fast at this as `bytes.count`, which stops at each.
    """
    values = (np.frombuffer(record.value, np.uint8) for record in records)
    return [int(np.count_nonzero(value == LINE_FEED)) + 1 for value in values]


def lines_read(
    records: Sequence[Record], lines: Sequence[int], tallies: Sequence[Tally]
) -> Mapping[int, int]:
    """The lines of each partition, whatever came of them.

    Args:
        lines: Of each record, as far as their ends say. Where that disagrees with the outcomes, a
            blank line may be why, or an event was lost: then the lines are looked at one by one.
    """
    read, ended = Counter[int](), Counter[int]()
    for record, count in zip(records, lines, strict=True):
        read[record.partition] += count
    for tally in tallies:
        ended[tally.partition] += tally.events
    doubted = {partition for partition in read if read[partition] != ended[partition]}
    exactly = Counter[int]()
    for record in records:
        if record.partition in doubted:
            exactly[record.partition] += len(lines_of(record.value))
    return {**read, **exactly}
