"""Which answers of a chunk are kept to be explained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np

from models.contracts import ActionTaken, Reason
from stream_agents.lines import Lines
from stream_agents.outcomes import ENCODER, source_of
from stream_agents.stage import KeptDecision, Place, Tally

MOST_AT_ONCE = 100
"""Decisions kept of one chunk: a flood of them must not hold up the answers to others."""

UNREMARKABLE = frozenset({None, "", "allow"})


def to_keep(
    lines: Lines[msgspec.Struct], taken: Sequence[ActionTaken], tallies: Sequence[Tally]
) -> list[KeptDecision]:
    """The answers other than allow, at most `MOST_AT_ONCE` of them, in their order.

    Not those which the pack's fail mode alone has made so: they would push out what was found.

    Where there are more, entities take turns: each one's first is kept before any one's second.
    Those left out stand on `actions.<pack>` all the same.

    Args:
        lines: Of `decisions.<pack>`; their records say where the events stand.
        tallies: Of these answers; most chunks hold nothing to keep, and tell so.
    """
    if all(tally.action in UNREMARKABLE for tally in tallies):
        return []
    found = [
        number
        for number, answer in enumerate(taken)
        if answer.action not in UNREMARKABLE and not fails_safe(answer)
    ]
    if len(found) > MOST_AT_ONCE:
        found = in_turns(found, taken)
    return [kept(lines, number, taken[number]) for number in found]


def fails_safe(answer: ActionTaken) -> bool:
    """Whether an answer is what it is because less was known than should be."""
    return answer.degraded is not None and answer.reasons[:1] == (
        Reason("degraded", answer.degraded),
    )


def in_turns(found: Sequence[int], taken: Sequence[ActionTaken]) -> list[int]:
    turns = dict[int, int]()
    counted = Counter[str]()
    for number in found:
        entity = taken[number].entity
        turns[number] = counted[entity]
        counted[entity] += 1
    return sorted(sorted(found, key=turns.__getitem__)[:MOST_AT_ONCE])


def kept(lines: Lines[msgspec.Struct], number: int, answer: ActionTaken) -> KeptDecision:
    of = int(np.searchsorted(lines.starts, number, side="right")) - 1
    record, line = lines.records[of], number - int(lines.starts[of])
    source = source_of(record)
    return KeptDecision(
        answer.event_id,
        source.epoch if source else "",
        Place(record.partition, source.offset, line) if source else None,
        ENCODER.encode(answer),
    )
