"""Searching a pack's log for an event and its answer, beside the agents."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from urllib.parse import quote

from models.artifacts import champion_of
from models.catalog import pack_named
from models.errors import DetectionError
from models.pack import DomainPack
from models.policy import Policy
from models.regime import policy_file
from producer.records import Record, actions_topic, events_topic
from producer.retained import KafkaRetained
from scripts import door
from scripts.stack.settings import LocalStack
from stream_agents.explained import Explanation
from stream_agents.explanation import Judges
from stream_agents.searching import Logs, explain_logged
from stream_agents.settings import AgentSettings

LINE_EVERY_S = 5.0

Say = Callable[[str], None]


def logged(
    event_id: str, pack_name: str, back: timedelta, kafka: str, say: Say
) -> Explanation | None:
    """What the log tells of an event; None where it is not within the newest part of it.

    Args:
        back: How long ago that part begins, by Kafka's record time.
        kafka: Kafka's address; that of the environment if it is empty.
        say: Is told now and then how far the search is.
    """
    logging.getLogger("centinela.kafka").setLevel(logging.CRITICAL)  # its faults come as errors
    settings, pack = AgentSettings(), pack_named(pack_name)
    address = kafka or settings.kafka
    judges = Judges(pack, champion_of(pack.name, settings.champion), policy_of(pack))
    since_ms = time.time_ns() // 1_000_000 - back // timedelta(milliseconds=1)
    with (
        closing(KafkaRetained(address, events_topic(pack.name))) as events,
        closing(KafkaRetained(address, actions_topic(pack.name))) as actions,
    ):
        logs = Logs(events, actions, since_ms, settings.seen_ids, Looking(say))
        return explain_logged(event_id, logs, judges)


def policy_of(pack: DomainPack) -> Policy:
    """The policy in force; the pack's own where the API does not tell."""
    try:
        told = door.get(f"{LocalStack().api}/v1/policies/{quote(pack.name, safe='')}").body
    except DetectionError:
        return pack.policy
    return policy_file(told["policy"]).applied_to(pack.policy, told["version"])


class Looking:
    """Tells now and then how much of the log was looked at."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._records = self._bytes = 0
        self._next = time.monotonic() + LINE_EVERY_S

    def __call__(self, record: Record) -> None:
        self._records += 1
        self._bytes += len(record.value)
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + LINE_EVERY_S
            self._say(f"looked at {self._records:,} records, {self._bytes / 1e6:,.0f} MB")
