"""The right answers to a workload's lines, worked out one event after another."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from math import inf
from typing import Any

import numpy as np

from models.fused import FusedForest
from scripts.bench.contenders.j1 import State, fold, new_state
from scripts.bench.workload import Workload, event_of

FIRST, FIRST_OF_MESSY = 40_000, 200_000
"""Lines whose right answers are worked out; more where few of them are of interest."""
EXACT = 64
"""Up to so many events from a window's start to now, Centinela promises the exact count."""
WINDOW_S = 600.0

Row = tuple[int, float, float]
Seen = list[tuple[float, int, bool]]
"""A client's events in order of time: when, bytes, whether an error."""
NOTHING: Row = (0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Right:
    """What is to be answered to a line.

    Args:
        event_id: Empty where the line is no event.
        is_repeat: An event of this id came before.
        row: Of job J1, folded in the order of arrival, repeats again.
        sliding: The same over the events in `(t - 10 min, t]` that had come, each once; None for a
            repeat, and where Centinela promises no exact count.
    """

    client: str
    event_id: str
    is_repeat: bool
    row: Row
    sliding: Row | None
    score: float = 0.0
    sliding_score: float = 0.0


@cache
def right_answers(made: Workload) -> Sequence[Right]:
    """To the workload's first lines, in the order of arrival."""
    first = FIRST_OF_MESSY if made.name == "messy" else FIRST
    right = right_rows((client, event_of(line)) for client, line in made.lines(first))
    forest = FusedForest(made.model.read_bytes())
    scores = forest.score(np.array([one.row for one in right], np.float32))
    sliding = forest.score(np.array([one.sliding or NOTHING for one in right], np.float32))
    pairs = zip(scores.tolist(), sliding.tolist(), strict=True)
    return [
        replace(one, score=score, sliding_score=slid)
        for one, (score, slid) in zip(right, pairs, strict=True)
    ]


def right_rows(events: Iterable[tuple[str, dict[str, Any] | None]]) -> list[Right]:
    """The answers to each client's events but for their scores."""
    states: dict[str, State] = {}
    seen: dict[str, Seen] = {}
    ids: set[str] = set()
    right = []
    for client, event in events:
        if event is None:
            right.append(Right(client, "", False, NOTHING, None))
            continue
        name = event["event_id"]
        row = fold(states.setdefault(client, new_state()), event)
        slid = None if name in ids else _slid(seen.setdefault(client, []), event)
        right.append(Right(client, name, name in ids, row, slid))
        ids.add(name)
    return right


def _slid(seen: Seen, event: dict[str, Any]) -> Row | None:
    at = datetime.fromisoformat(event["occurred_at"]).timestamp()
    insort(seen, (at, event.get("bytes", 0), event["status"] >= 400))
    since = seen[bisect_right(seen, (at - WINDOW_S, inf)) :]
    if len(since) > EXACT:
        return None
    sizes, errors = zip(*(one[1:] for one in since if one[0] <= at), strict=True)
    return len(sizes), sum(sizes) / len(sizes), sum(errors) / len(sizes)
