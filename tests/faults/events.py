"""Requests made by hand, and the final answers to them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from producer.records import Record
from tests.faults import oracle
from tests.faults.cluster import ACTIONS, Cluster
from tests.faults.journal import Journal, Line, Producer
from tests.topics import read_topic

ATTACK = "/../../etc/passwd"
"""A path that earns a block by a rule."""


def stamp(at: datetime) -> str:
    """RFC 3339 in UTC with microseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def request(event_id: str, client: str, at: datetime | str, **fields: object) -> Line:
    """A request to a site, as one line."""
    told: dict[str, object] = {
        "event_id": event_id,
        "occurred_at": stamp(at) if isinstance(at, datetime) else at,
        "client_ip": client,
        "method": "GET",
        "path": "/",
        "status": 200,
        **fields,
    }
    return event_id, client, json.dumps(told, ensure_ascii=False).encode()


def an_event(**fields: object) -> dict[str, Any]:
    """A request of now, with other fields."""
    event: dict[str, Any] = json.loads(request("", "203.0.113.9", just_now())[2])
    return {**event, **fields}


def just_now() -> datetime:
    """A time that is past wherever it is read."""
    return datetime.now(UTC) - timedelta(seconds=1)


def deliver(cluster: Cluster, *shares: Iterable[Line]) -> Journal:
    """Send shares one after another, each once the broker has the one before; nothing at a rate."""
    producer = Producer(cluster.kafka, partitions=cluster.partitions, lines=())
    try:
        for share in shares:
            producer.send(list(share))
            producer.flush()
    finally:
        producer.stop()
    return producer.journal


@dataclass(frozen=True, slots=True)
class Answer:
    """One line of a final answer.

    Args:
        latency_s: From the event's arrival in Kafka to the answer's, for the whole record.
        arrived_ms: When the event's record arrived, by Kafka's time.
    """

    told: dict[str, Any]
    latency_s: float
    arrived_ms: int

    @property
    def event_id(self) -> str:
        return str(self.told["event_id"])

    @property
    def outcome(self) -> str:
        return str(self.told["outcome"])


def answers(cluster: Cluster) -> list[Answer]:
    """Every line of the actions topic, first copies only."""
    return [
        answer
        for log in read_topic(cluster.kafka, ACTIONS)
        for record in first_copies(log)
        for answer in _lines(record)
    ]


def first_copies(log: Sequence[Record]) -> Iterator[Record]:
    """A partition's records without those that repeat the answer to a source."""
    known = set()
    for record in log:
        if (source := oracle.source_of(record)) not in known:
            known.add(source)
            yield record


def outcomes_of(cluster: Cluster) -> dict[str, Counter[str]]:
    """Event id to how often it ended how."""
    found: dict[str, Counter[str]] = {}
    for answer in answers(cluster):
        found.setdefault(answer.event_id, Counter())[answer.outcome] += 1
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so large a share is not above; NaN of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def _lines(record: Record) -> Iterator[Answer]:
    arrived_ms = int(record.header("arrived") or b"0")
    for line in record.value.split(b"\n"):
        if line:
            yield Answer(json.loads(line), (record.at_ms - arrived_ms) / 1000, arrived_ms)
