"""Job J1 for contenders in Python: its windows, its forest, its settings.

It runs in each contender's own environment, so it imports NumPy, ONNX Runtime and nothing of ours.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import onnxruntime

BUCKETS = 10
FIELDS = 4
"""Of a bucket: its minute, events, bytes, errors."""
SLICE = 100
"""Rows a call of the forest; above it ONNX Runtime becomes slower per row."""

State = list[int]


def setting(name: str) -> str:
    return os.environ[f"BENCH_{name.upper()}"]


def new_state() -> State:
    return [0] * (BUCKETS * FIELDS)


def minute_of(occurred_at: str) -> int:
    return int(datetime.fromisoformat(occurred_at).timestamp()) // 60


def is_valid(event: Any) -> bool:
    """Whether it holds what the job needs, each of its type."""
    try:
        return (
            isinstance(event["event_id"], str)
            and isinstance(event["occurred_at"], str)
            and isinstance(event["client_ip"], str)
            and isinstance(event["status"], int)
            and isinstance(event.get("bytes", 0), int)
        )
    except (TypeError, KeyError):
        return False


def fold(state: State, event: dict[str, Any]) -> tuple[int, float, float]:
    """Add an event to its client's buckets; its count, mean bytes and share of errors."""
    return add(state, minute_of(event["occurred_at"]), event.get("bytes", 0), event["status"])


def add(state: State, minute: int, size: int, status: int) -> tuple[int, float, float]:
    at = FIELDS * (minute % BUCKETS)
    if state[at] != minute:
        state[at : at + FIELDS] = [minute, 0, 0, 0]
    state[at + 1] += 1
    state[at + 2] += size
    state[at + 3] += status >= 400
    count = total = errors = 0
    for first in range(0, BUCKETS * FIELDS, FIELDS):
        if state[first] > minute - BUCKETS:
            count += state[first + 1]
            total += state[first + 2]
            errors += state[first + 3]
    return count, total / count, errors / count


class Forest:
    """The fused forest, on one thread."""

    def __init__(self, model: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )

    def score(self, rows: Sequence[tuple[int, float, float]]) -> list[float]:
        scores: list[float] = []
        for first in range(0, len(rows), SLICE):
            part = np.array(rows[first : first + SLICE], np.float32)
            scores += self._session.run(None, {"row": part})[0][:, 0].tolist()
        return scores


def answer(event_id: str, client_ip: str, count: int, score: float) -> dict[str, Any]:
    action = "alert" if score >= ALERT else "allow"
    return {
        "event_id": event_id,
        "client_ip": client_ip,
        "count": count,
        "score": score,
        "action": action,
    }


ALERT = float(os.environ.get("BENCH_ALERT", "0.6"))
