"""What a contender has answered: how many events, and whether the answers are right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from producer.partitioning import partition_of
from scripts.bench.contenders.contender import Contender, Job
from scripts.bench.right import Right, right_answers
from scripts.bench.topics import read
from scripts.bench.workload import Workload

READ = 10_000
"""Answers of each partition that are read where a record holds one."""
SCORE_TOLERANCE = 1e-5

Answer = Mapping[str, Any]
Fault = Callable[[Right, Answer | None], str | None]


@dataclass(frozen=True, slots=True)
class Told:
    """How a contender's answers compare.

    Args:
        compared: Answers held against a fold of our own; `differing` of them were not equal.
        fault: What was wrong, and how often.
        repeats: Lines that it has passed whose event had come before.
        counted_again: Of these, the ones answered as if they were new.
        malformed: Lines that it has passed that are no events.
        said: Of these, the ones with an answer that says so.
    """

    compared: int = 0
    differing: int = 0
    fault: str = ""
    repeats: int = 0
    counted_again: int = 0
    malformed: int = 0
    said: int = 0


@dataclass(frozen=True, slots=True)
class Counted:
    """Events before an offset, by partition, and how the answers compare."""

    lines: Mapping[int, NDArray[np.int64]]
    told: Told

    def events_before(self, ends: Mapping[int, int]) -> int:
        return sum(int(self.lines[p][end]) if p in self.lines else end for p, end in ends.items())


class Comparison:
    """Holds a contender's answers against the lines that they are for.

    Args:
        lines: Of each stream those whose answers are known, in the order of the answers. A stream
            is a client, or, of Centinela, which answers each line, a partition.
        fault: What is wrong with the answer to a line, if there was one; empty where it is right,
            None where that cannot be told.
    """

    def __init__(self, lines: Mapping[object, Sequence[Right]], fault: Fault) -> None:
        self._lines = lines
        self._fault = fault
        self._passed = Counter[object]()
        self._left = sum(map(len, lines.values()))
        self._counts = Counter[str]()
        self._faults = Counter[str]()

    def see(self, stream: object, answer: Answer) -> None:
        """The next answer of a stream; one that is for no known line says nothing."""
        lines, passed = self._lines.get(stream, ()), self._passed[stream]
        for number in range(passed, len(lines)):
            if _is_for(lines[number], answer):
                for line in lines[passed:number]:
                    self._pass(line, None)
                self._pass(lines[number], answer)
                self._passed[stream] = number + 1
                return

    @property
    def is_through(self) -> bool:
        """No answer could say more."""
        return not self._left

    @property
    def told(self) -> Told:
        faults = ", ".join(f"{count} {fault}" for fault, count in self._faults.most_common(3))
        return Told(differing=self._faults.total(), fault=faults, **self._counts)

    def _pass(self, line: Right, answer: Answer | None) -> None:
        self._left -= 1
        if not line.event_id:
            self._counts.update(malformed=1, said=int(answer is not None))
        elif line.is_repeat:
            again = answer is not None and answer.get("outcome") != "duplicate"
            self._counts.update(repeats=1, counted_again=int(again))
        fault = self._fault(line, answer)
        self._counts["compared"] += fault is not None
        self._faults.update([fault] if fault else [])


def comparison(contender: Contender, made: Workload, partitions: int) -> Comparison:
    is_ours = contender.name.startswith("centinela")
    lines: dict[object, list[Right]] = {}
    for line in right_answers(made):
        stream = partition_of(line.client, partitions) if is_ours else line.client
        lines.setdefault(stream, []).append(line)
    return Comparison(lines, FAULTS.get(contender.name, fault_of_pack if is_ours else fault_of_j1))


def _is_for(line: Right, answer: Answer) -> bool:
    if not line.event_id:
        return answer.get("outcome") == "dead"
    same: bool = answer["event_id"] == line.event_id
    return same


def fault_of_j1(line: Right, answer: Answer | None) -> str | None:
    """Of job J1, which answers events and each time that they come."""
    if answer is None:
        return "missing" if line.event_id and not line.is_repeat else None
    if answer["count"] != line.row[0]:
        return "count"
    return "" if abs(answer["score"] - line.score) < SCORE_TOLERANCE else "score"


def fault_of_pack(line: Right, answer: Answer | None) -> str | None:
    """Of the access pack, which tells the count of an event that it does not simply allow."""
    fault = _fault_of_outcome(line, answer)
    if fault or answer is None or answer["outcome"] != "decided":
        return fault
    count = answer.get("features", {}).get("client_requests_count_10m")
    if count is None or line.sliding is None:
        return None
    return "" if count == line.sliding[0] else "count"


def fault_of_sliding_j1(line: Right, answer: Answer | None) -> str | None:
    """Of job J1 as our agents do it."""
    fault = _fault_of_outcome(line, answer)
    if fault or answer is None or answer["outcome"] != "decided":
        return fault
    if line.sliding is None:
        return None
    return "" if abs(answer["score"] - line.sliding_score) < SCORE_TOLERANCE else "score"


def _fault_of_outcome(line: Right, answer: Answer | None) -> str:
    """Each line has one: an event is decided once, and what is no event is dead."""
    if answer is None:
        return "missing"
    expected = "dead" if not line.event_id else "duplicate" if line.is_repeat else "decided"
    return "" if answer["outcome"] == expected else str(answer["outcome"])


FAULTS: Mapping[str, Fault] = {"centinela-j1": fault_of_sliding_j1}


def counted(contender: Contender, made: Workload, job: Job, ends: dict[int, int]) -> Counted:
    """Read the answers back: all where a record may hold many, else the first."""
    if not any(ends.values()):
        return Counted({}, Told())
    is_ours, is_batched = contender.name.startswith("centinela"), contender.reads == "batched"
    wanted = ends if is_batched else {p: min(end, READ) for p, end in ends.items()}
    compared = comparison(contender, made, job.partitions)
    sizes: dict[int, list[tuple[int, int]]] = {p: [] for p in ends}
    for message in read(job.kafka, job.out_topic, wanted):
        value = message.value() or b""
        partition, offset = message.partition() or 0, message.offset() or 0
        sizes[partition].append((offset, value.count(b"\n") + 1))
        if compared.is_through:
            continue
        for line in value.split(b"\n"):
            answer = msgspec.json.decode(line)
            compared.see(partition if is_ours else answer["client_ip"], answer)
    lines = _cumulated(sizes, wanted) if is_batched else {}
    return Counted(lines, compared.told)


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
