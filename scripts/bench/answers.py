"""What a contender has answered: how many events, and whether the answers are right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.fused import FusedForest
from scripts.bench.contenders.contender import Contender, Job
from scripts.bench.contenders.j1 import State, fold, new_state
from scripts.bench.topics import read
from scripts.bench.workload import Workload

KNOWN = 40_000
"""The first events of the workload, whose right answers are worked out."""
EXACT = 64
"""Up to so many events in the window, Centinela promises the exact count."""
WINDOW_S = 600.0
SCORE_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Known:
    """The right answer of one event: of J1, and the events of its client in `(t - 10 min, t]`."""

    count: int
    score: float
    sliding: int


@dataclass(frozen=True, slots=True)
class Counted:
    """Events before an offset, by partition, and how the answers compare."""

    lines: Mapping[int, NDArray[np.int64]]
    compared: int
    differing: int
    fault: str

    def events_before(self, ends: Mapping[int, int]) -> int:
        return sum(int(self.lines[p][end]) if p in self.lines else end for p, end in ends.items())


def counted(contender: Contender, made: Workload, job: Job, ends: dict[int, int]) -> Counted:
    """Read the answers back: all where a record may hold many, else the first."""
    if not any(ends.values()):
        return Counted({}, 0, 0, "")
    is_ours = contender.name.startswith("centinela")
    wanted = ends if contender.reads == "batched" else {p: min(e, 10_000) for p, e in ends.items()}
    known = right_answers(made)
    sizes: dict[int, list[tuple[int, int]]] = {p: [] for p in ends}
    compared = differing = 0
    faults: dict[str, int] = {}
    for message in read(job.kafka, job.out_topic, wanted):
        value = message.value() or b""
        partition, offset = message.partition() or 0, message.offset() or 0
        sizes[partition].append((offset, value.count(b"\n") + 1))
        if offset >= 10_000 or compared >= KNOWN:
            continue
        for line in value.split(b"\n"):
            right, fault = _compare(msgspec.json.decode(line), known, is_ours)
            compared += right is not None
            differing += right is False
            if fault:
                faults[fault] = faults.get(fault, 0) + 1
    lines = _cumulated(sizes, wanted) if contender.reads == "batched" else {}
    said = ", ".join(f"{count} {fault}" for fault, count in islice(faults.items(), 3))
    return Counted(lines, compared, differing, said)


def _compare(
    line: dict[str, Any], known: Mapping[str, Known], is_ours: bool
) -> tuple[bool | None, str]:
    """Whether it is right, None where it cannot be told; and what is wrong with it."""
    right = known.get(line.get("event_id", ""))
    if is_ours and line.get("outcome") != "decided":
        return False, str(line.get("outcome"))
    if right is None:
        return None, ""
    if is_ours:
        requests = line.get("features", {}).get("client_requests_count_10m")
        if requests is None or right.sliding > EXACT:
            return None, ""
        return (True, "") if requests == right.sliding else (False, "count")
    if line["count"] != right.count:
        return False, "count"
    return (True, "") if abs(line["score"] - right.score) < SCORE_TOLERANCE else (False, "score")


def _cumulated(
    sizes: Mapping[int, Iterable[tuple[int, int]]], ends: Mapping[int, int]
) -> Mapping[int, NDArray[np.int64]]:
    found = {}
    for partition, end in ends.items():
        lines = np.zeros(end + 1, np.int64)
        for offset, count in sizes[partition]:
            lines[offset + 1] = count
        found[partition] = np.cumsum(lines)
    return found


@cache
def right_answers(made: Workload) -> Mapping[str, Known]:
    """By event id, over the workload's first events."""
    states: dict[str, State] = {}
    times: dict[str, list[float]] = {}
    ids, rows, sliding = [], [], []
    for client, line in made.lines(KNOWN):
        event = msgspec.json.decode(line)
        ids.append(event["event_id"])
        rows.append(fold(states.setdefault(client, new_state()), event))
        at = datetime.fromisoformat(event["occurred_at"]).timestamp()
        seen = times.setdefault(client, [])
        seen.append(at)
        sliding.append(sum(at - WINDOW_S < one <= at for one in seen[-EXACT - 1 :]))
    scores = FusedForest(made.model.read_bytes()).score(np.array(rows, np.float32))
    return {
        name: Known(row[0], float(score), within)
        for name, row, score, within in zip(ids, rows, scores, sliding, strict=True)
    }
