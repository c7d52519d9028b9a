"""A pack: one domain, declared in one place, run by the one engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, Protocol

import msgspec

from feature_store.columns import Columns
from feature_store.definitions import FeatureSet
from models.policy import Policy
from models.rules import Rule


class Event(Protocol):
    """What every pack's event struct has; further fields are the pack's own.

    `event_id` may be empty on the wire: the ingestion stage then derives one from the record's
    place in the log. `occurred_at` is RFC 3339 with an offset.
    """

    event_id: str
    occurred_at: str


@dataclass(frozen=True, slots=True)
class DomainPack:
    """A domain's table of contents.

    Args:
        name: Names the topics: `events.<name>`, `decisions.<name>`, `actions.<name>`.
        event: The msgspec struct of a line on `events.<name>`.
        entity: Reads the first entity key (the Kafka key) off an event.
        columns: Turns decoded events into columns. It holds the text column `event_id`, the
            int64 column `at` (microseconds UTC; `feature_store.text.INVALID_TIME` where
            `occurred_at` is unreadable) and the pack's own.
        check: The rule that each event breaks, or None; `(event) -> str | None`. Called only for
            events that `columns` marked as invalid (see `valid`).
        valid: Mask over columns of the events that may be folded.
        features: What is kept about the entity.
        rules: In the order in which reasons are given.
        policy: Score, rules and lists to an action.
        model_features: Columns that the model sees, in this order: features, then event columns.
        simulate: `(seed, events) ->` (event, label) in event-time order; label 1 is an attack.
        text: The text column that the text model reads, for packs that have one; what it makes of
            it is the column `payload_score`, in [0, 1], which rules may read.
        traits: Columns of the event itself, numbers, that an explanation shows.
        values: `(seed, n) ->` values of requests and their kinds, `""` for an ordinary one, for
            the text model to learn from.
        max_skew: How far an event may be ahead of its record's Kafka time.
        test_clients: Entities that an integrator can rely on, whatever they do: always blocked,
            always allowed, or answered late. Their names are such that no real one can have them.
        canary: `(event_id, occurred_at) ->` an event of a test client of ours, which is always
            allowed; sent now and then to see whether it is answered. None where there is none.
    """

    name: str
    event: type[msgspec.Struct]
    entity: Callable[[Any], str]
    columns: Callable[[Sequence[Any]], Columns]
    valid: Callable[[Columns], Any]
    check: Callable[[Any], str | None]
    features: FeatureSet
    rules: tuple[Rule, ...]
    policy: Policy
    model_features: tuple[str, ...]
    simulate: Callable[[int, int], Iterator[tuple[Any, int]]]
    text: str | None = None
    traits: tuple[str, ...] = ()
    values: Callable[[int, int], Iterator[tuple[str, str]]] | None = None
    max_skew: timedelta = timedelta(minutes=5)
    test_clients: Mapping[str, Literal["block", "allow", "late"]] = field(default_factory=dict)
    canary: Callable[[str, str], msgspec.Struct] | None = None
