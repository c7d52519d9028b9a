"""The books over a contender's answers after a kill: what is lost, repeated and wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from scripts.bench.contenders.j1 import State, fold, new_state
from scripts.bench.right import EXACT, WINDOW_S
from scripts.bench.workload import Workload

UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What one contender's answers are like after a kill.

    Args:
        back_s: From the kill to its next answer.
        lost: Events without an answer.
        repeated: Answers beyond the first of an event.
        compared: Events whose right count can be told.
        wrong: Of these, the ones whose first answer has another count.
    """

    contender: str
    events: int
    back_s: float
    lost: int
    repeated: int
    compared: int
    wrong: int


@dataclass(frozen=True, slots=True)
class Right:
    """By the event's number: the count of J1, and of Centinela's ten minutes, if it is exact."""

    tumbling: NDArray[np.int32]
    sliding: NDArray[np.int32]


def right_counts(made: Workload) -> Right:
    """What an undisturbed fold of the whole workload counts."""
    states: dict[str, State] = {}
    times: dict[str, list[float]] = {}
    right = Right(*(np.full(made.events, UNKNOWN, np.int32) for _ in range(2)))
    for client, line in made.lines():
        event = msgspec.json.decode(line)
        number = number_of(event)
        right.tumbling[number] = fold(states.setdefault(client, new_state()), event)[0]
        at = datetime.fromisoformat(event["occurred_at"]).timestamp()
        seen = times.setdefault(client, [])
        seen.append(at)
        within = sum(at - WINDOW_S < one <= at for one in seen[-EXACT - 1 :])
        right.sliding[number] = within if within <= EXACT else UNKNOWN
    return right


def number_of(event: dict[str, Any]) -> int:
    return int(event["event_id"].rpartition("-")[2])


def aftermath(
    name: str, back_s: float, answers: Iterator[dict[str, Any]], right: Right
) -> Aftermath:
    """Books over all answers of one contender, in the order in which they were written."""
    is_ours = name.startswith("centinela")
    expected = right.sliding if is_ours else right.tumbling
    times = np.zeros(len(expected), np.int32)
    compared = wrong = 0
    for answer in answers:
        number = number_of(answer)
        times[number] += 1
        count = _sliding(answer) if is_ours else answer["count"]
        if times[number] == 1 and UNKNOWN not in (count, expected[number]):
            compared += 1
            wrong += int(count != expected[number])
    lost, repeated = int((times == 0).sum()), int((times - 1).clip(0).sum())
    return Aftermath(name, len(times), round(back_s, 2), lost, repeated, compared, wrong)


def _sliding(answer: dict[str, Any]) -> float:
    """Told with an answer other than allow. A new event that is taken for an old one is wrong."""
    if answer["outcome"] != "decided":
        return 0.0
    count: float = answer.get("features", {}).get("client_requests_count_10m", UNKNOWN)
    return count
