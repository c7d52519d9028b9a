"""Batches of callers, who send them again as a careful caller does."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx

from tests.faults.callers import NDJSON
from tests.faults.catalogue import Outcome
from tests.faults.cluster import Cluster
from tests.faults.events import outcomes_of, request

EVENTS = 3
"""Of a caller's batch."""
WAIT = "wait=30"


@dataclass(frozen=True, slots=True)
class Batch:
    """A caller's events, and the key under which they may be sent again."""

    key: str
    body: bytes

    @classmethod
    def of(cls, key: str) -> Batch:
        at = datetime.now(UTC) - timedelta(seconds=1)
        lines = [request(f"{key}-{n}", f"{key}-{n}", at)[2] for n in range(EVENTS)]
        return cls(key, b"\n".join(lines))

    @property
    def ids(self) -> list[str]:
        return [f"{self.key}-{n}" for n in range(EVENTS)]

    @property
    def headers(self) -> dict[str, str]:
        return {**NDJSON, "Idempotency-Key": f'"{self.key}"', "Prefer": WAIT}

    def on_the_wire(self) -> bytes:
        told = {**self.headers, "Host": "centinela", "Content-Length": str(len(self.body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        return f"POST /analyze HTTP/1.1\r\n{head}\r\n".encode() + self.body


def post(client: httpx.Client, batch: Batch) -> httpx.Response:
    return client.post("/analyze", content=batch.body, headers=batch.headers)


def post_or_none(client: httpx.Client, batch: Batch) -> httpx.Response | None:
    """The answer; None where the connection ended instead."""
    try:
        return post(client, batch)
    except httpx.TransportError:
        return None


def until_complete(client: httpx.Client, batch: Batch) -> dict[str, list[dict[str, object]]]:
    """The answer once it is complete; sent again under its key as a caller would."""
    deadline = time.monotonic() + 60
    while (answer := post(client, batch)).status_code != 200:
        assert answer.status_code in (202, 409, 503), answer.text
        assert time.monotonic() < deadline, f"{batch.key} stays {answer.status_code}"
        time.sleep(0.05)
    told: dict[str, list[dict[str, object]]] = json.loads(answer.content)
    return told


def require_decided_once(outcome: Outcome, cluster: Cluster, batches: Sequence[Batch]) -> None:
    """A batch that was sent again after an unknown end may stand on the log twice."""
    ended = outcomes_of(cluster)
    every = [event_id for batch in batches for event_id in batch.ids]
    wrong = [event_id for event_id in every if ended.get(event_id, Counter())["decided"] != 1]
    outcome.require(not wrong, f"{len(wrong)} are not decided once, such as {wrong[:3]}")
