"""A request's events: those to publish, as lines, and those that no one can judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from api.faults import Fault, fault_of_rule
from api.problems import Problem
from models.pack import DomainPack
from producer.publisher import BYTES_PER_RECORD

ENCODER = msgspec.json.Encoder()
MAX_ID_CHARS = 256
NUL = b"\\u0000"
"""As JSON writes it. Databases, C libraries and terminals each read it in a way of their own."""
TOO_LONG = f"an event has at most {BYTES_PER_RECORD} bytes"


class Rejected(msgspec.Struct, frozen=True):
    """An event that is refused at the door, with its id where one could be read."""

    event_id: str | None
    fault: Fault


Item = msgspec.Struct | Rejected
"""A decoded event, or why there is none."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A request's events in its order.

    Args:
        id: Names the batch; an event without an id is named after it and its place.
        events: The valid ones: `(event_id, entity, line)`, the line as it goes into the log.
        places: Where each of them stands in the request, `(len(events),)`.
        rejected: The others, by their place in the request.
    """

    id: str
    pack: DomainPack
    events: Sequence[tuple[str, str, bytes]]
    places: Sequence[int]
    rejected: Mapping[int, Rejected]


def is_answered_late(batch: Batch) -> bool:
    """Whether a test client is among the events that is there to rehearse the late answer."""
    late = {name for name, how in batch.pack.test_clients.items() if how == "late"}
    return not late.isdisjoint(entity for _, entity, _ in batch.events)


def check_size(events: int, limit: int) -> None:
    if 0 < events <= limit:
        return
    if events:
        status, kind, rule = 413, "too-large", f"a batch has at most {limit} events"
    else:
        status, kind, rule = 422, "invalid-batch", "a batch has at least one event"
    raise Problem(status, kind, rule, errors=[Fault(rule, "/events")])


def judged(pack: DomainPack, items: Sequence[Item], batch_id: str) -> Batch:
    """Sort the events by the pack's own check; those without an id get one.

    The same items under the same id are the same batch, to the last byte.

    Raises:
        Problem: None of them is valid.
    """
    rejected = {i: item for i, item in enumerate(items) if isinstance(item, Rejected)}
    typed = [i for i in range(len(items)) if i not in rejected]
    events = [identified(items[i], f"{batch_id}-{i}") for i in typed]
    lines, places = [], []
    for place, event, rule in zip(typed, events, complaints(pack, events), strict=True):
        line = b"" if rule else ENCODER.encode(event)
        rule = rule or unfit(event, line)
        if rule is None:
            lines.append((event.event_id, pack.entity(event), line))
            places.append(place)
        else:
            fault = fault_of_rule(rule, place, pack.event.__struct_fields__)
            rejected[place] = rejection(items[place], fault)
    if not lines:
        errors = [rejected[place].fault for place in sorted(rejected)]
        raise Problem(422, "invalid-events", "no event of the batch is valid", errors=errors)
    return Batch(batch_id, pack, lines, places, rejected)


def unfit(event: Any, line: bytes) -> str | None:
    """What keeps a valid event out of the log, or None."""
    if len(line) > BYTES_PER_RECORD:
        return TOO_LONG
    if NUL in line:  # as a character, or as what looks like its escape
        for field in event.__struct_fields__:
            text = getattr(event, field)
            if isinstance(text, str) and "\0" in text:
                return f"{field} must not hold the character NUL"
    return None


def identified(event: Any, event_id: str) -> Any:
    return event if event.event_id else msgspec.structs.replace(event, event_id=event_id)


def rejection(event: Any, fault: Fault) -> Rejected:
    """A rejection under the id that the client gave, if it can be one."""
    given = event.event_id
    return Rejected(given if given and len(given) <= MAX_ID_CHARS else None, fault)


def complaints(pack: DomainPack, events: Sequence[Any]) -> list[str | None]:
    """The rule that each event breaks, None for the valid."""
    if not events:
        return []
    try:
        valid = pack.valid(pack.columns(events)).tolist()
    except (OverflowError, ValueError):  # a number that fits no column, in one of them
        if len(events) == 1:
            return ["a number is out of range"]
        return [rule for event in events for rule in complaints(pack, [event])]
    return [
        None if fine else pack.check(event) or "not a valid event"
        for event, fine in zip(events, valid, strict=True)
    ]
