"""Where an event's CPU time goes inside of both stages: `python -m scripts.bench.stages`.

The stages of the agents fold bench traffic in one process, without Kafka, Redis and Faust, one
chunk after another. Times are CPU time of this thread: a busy machine disturbs them little.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np

from feature_store.fence import Fence
from feature_store.seen import SeenIds
from models.artifacts import Champion, champion_of
from models.catalog import pack_named
from producer.publisher import records_of
from producer.records import DEAD_LETTER, OutRecord, Record
from scripts.bench import load
from scripts.bench.command import command
from stream_agents import engine
from stream_agents.answers import MemoryResults
from stream_agents.engine import Decision, Detection
from stream_agents.heap import settle_the_collector
from stream_agents.stage import Memory, Stage

PARTITIONS, CLIENTS, CHUNK_RECORDS, ROUNDS = 4, 10_000, 32, 3
NOW_MS = 1_767_225_600_000
STEPS: tuple[tuple[object, str, str], ...] = (
    (engine, "read_lines", "lines: JSON into structs"),
    (Detection, "decode", "columns: structs into arrays, ids and clients found"),
    (Detection, "_features", "windows: the kernel over the clients' states"),
    (Champion, "score", "forest"),
    (engine, "judge", "rules and text model"),
    (Detection, "_explain", "reasons and features of what is notable"),
    (engine, "publish", "encoding: outcomes into records"),
    (Detection, "fold", "outcomes, repeats, tallies"),
    (Decision, "fold", "actions, standings, tallies"),
)
"""The owner of a function, its name, and what it does."""


class Stopwatch:
    """Time by step; what a step calls that is a step of its own counts there alone."""

    def __init__(self) -> None:
        self.ns: Counter[str] = Counter()
        self._open: list[int] = []

    def timed(self, function: Callable[..., Any], step: str) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            since = time.thread_time_ns()
            self._open.append(0)
            try:
                return function(*given, **named)
            finally:
                took = time.thread_time_ns() - since
                self.ns[step] += took - self._open.pop()
                if self._open:
                    self._open[-1] += took

        return call

    @contextmanager
    def watching(self) -> Iterator[None]:
        with ExitStack() as watched:
            for owner, name, step in STEPS:
                timed = self.timed(getattr(owner, name), step)
                watched.enter_context(patch.object(owner, name, timed))
            yield


def run(quick: bool) -> Mapping[str, Any]:
    """Microseconds an event of each step, by stage; medians over rounds."""
    settle_the_collector()
    rounds = [_round(60_000 if quick else 300_000) for _ in range(1 if quick else ROUNDS)]
    return {
        stage: {
            step: round(float(np.median([one[stage].get(step, 0.0) for one in rounds])), 2)
            for step in rounds[0][stage]
        }
        for stage in rounds[0]
    }


def _round(events: int) -> dict[str, dict[str, float]]:
    pack = pack_named("access")
    detection = Detection(pack, champion_of("access"))
    decision = Decision(pack, MemoryResults())
    records = _sent(events)
    _folded(decision, _folded(detection, records[: len(records) // 3]))  # warms both
    found = {}
    for name, stage in (("ingestion", detection), ("decision", decision)):
        watch = Stopwatch()
        with watch.watching():
            records = _folded(stage, records)
        found[name] = {step: ns / 1000 / events for step, ns in watch.ns.items()}
    return found


def _sent(events: int) -> list[Record]:
    """Bench traffic as it stands on the first topic, 200 events a record."""
    pack = pack_named("access")
    made = load.lines(pack, events, CLIENTS, is_flat=False, seed=7, until_us=1000 * NOW_MS)
    numbered = ((str(number), client, line) for number, (client, line) in enumerate(made))
    return _placed(records_of(pack.name, numbered, PARTITIONS))


def _placed(records: Sequence[OutRecord]) -> list[Record]:
    """Records as the broker hands them out."""
    following: Counter[int] = Counter()
    placed = []
    for record in records:
        offset = following[record.partition]
        placed.append(Record(record.partition, offset, NOW_MS, record.value, record.headers))
        following[record.partition] += 1
    return placed


def _folded(stage: Stage, records: Sequence[Record]) -> list[Record]:
    """Folds all of them from nothing; returns the outcomes as the next stage reads them."""
    fences = {p: Fence("bench", layout=stage.layout) for p in range(PARTITIONS)}
    states: dict[int, dict[str, bytes]] = {p: {} for p in range(PARTITIONS)}
    memory = Memory(fences, {p: SeenIds(65_536) for p in range(PARTITIONS)}, states)
    out: list[OutRecord] = []
    for first in range(0, len(records), CHUNK_RECORDS):
        chunk = stage.decode(records[first : first + CHUNK_RECORDS])
        for partition, names in chunk.entities.items():
            for name in names:
                states[partition].setdefault(name, b"")
        folded = stage.fold(chunk, memory)
        for partition, change in folded.changes.items():
            fences[partition] = change.fence
            states[partition].update(change.states)
        out += [record for record in folded.records if record.topic != DEAD_LETTER]
    return _placed(out)


if __name__ == "__main__":
    command(run, quick="60,000 events once.")
