"""Kafka records as our own types, so that engine and loop know no client library."""

from __future__ import annotations

from dataclasses import dataclass

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Record:
    """A record as read: NDJSON, one event a line.

    Args:
        at_ms: Kafka's record time, milliseconds since 1970.
        headers: Values are bytes; a header may repeat, the first counts.
    """

    partition: int
    offset: int
    at_ms: int
    value: bytes
    headers: Headers = ()

    def header(self, name: str) -> bytes | None:
        for key, value in self.headers:
            if key == name:
                return value
        return None


@dataclass(frozen=True, slots=True)
class OutRecord:
    """A record to publish; its partition is chosen by us, never by the client library."""

    topic: str
    partition: int
    value: bytes
    headers: Headers = ()


DEAD_LETTER = "dead-letter"
"""The topic of what can never be judged: raw bytes, with source and reason in the headers."""


EVENTS = "events."
"""What the names of all topics of events begin with."""


def events_topic(pack: str) -> str:
    return f"{EVENTS}{pack}"


def decisions_topic(pack: str) -> str:
    """Scored events, awaiting an action."""
    return f"decisions.{pack}"


def actions_topic(pack: str) -> str:
    """Final answers."""
    return f"actions.{pack}"
