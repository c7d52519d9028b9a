"""From the parts of a batch, as the decision agent wrote them, to the answer of the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET

from api.batch import Rejected
from api.faults import Fault, clipped
from api.schemas import Analysis, EventResult, Pending, Summary
from models.contracts import ActionTaken

TAKEN = msgspec.json.Decoder(ActionTaken)


class Asked(msgspec.Struct, frozen=True):
    """What has to be noted about a batch so that any API process can answer it.

    Args:
        parts: For each record, where its events stand in the request. Lines are matched to
            events by this order, never by id: a batch may hold an id twice.
        rejected: The events refused at the door, by their place in the request.
    """

    pack: str
    parts: list[list[int]]
    rejected: dict[int, Rejected]

    @property
    def events(self) -> int:
        return sum(map(len, self.parts)) + len(self.rejected)

    def encoded(self) -> bytes:
        return msgspec.json.encode(self)


def asked_of(noted: bytes) -> Asked:
    return msgspec.json.decode(noted, type=Asked)


def answer(batch: str, asked: Asked, parts: Mapping[str, bytes]) -> Analysis | Pending:
    """The batch as far as it is known.

    Raises:
        ValueError: A part does not have one line per event; the agent broke its promise.
    """
    missing = [places for i, places in enumerate(asked.parts) if str(i) not in parts]
    if missing:
        return Pending(batch, asked.pack, asked.events, asked.events - sum(map(len, missing)))
    results: list[EventResult] = [EventResult(None, "invalid")] * asked.events
    for place, refused in asked.rejected.items():
        results[place] = EventResult(refused.event_id, "invalid", error=refused.fault)
    for i, places in enumerate(asked.parts):
        for place, taken in zip(places, TAKEN.decode_lines(parts[str(i)]), strict=True):
            results[place] = result_of(taken)
    return Analysis(batch, asked.pack, summary_of(results), results)


def result_of(taken: ActionTaken) -> EventResult:
    return EventResult(
        event_id=taken.event_id,
        outcome=taken.outcome,
        threat=taken.action is not None and taken.action != "allow",
        action=taken.action,
        score=taken.score,
        ttl_s=taken.ttl_s,
        rules=taken.rules,
        reasons=taken.reasons,
        model=taken.model,
        policy=taken.policy,
        entity=taken.entity or UNSET,
        occurred_at=taken.occurred_at or UNSET,
        features=UNSET if taken.features is None else taken.features,
        duplicate_of=taken.duplicate_of or UNSET,
        error=Fault(clipped(taken.error)) if taken.error else UNSET,
        degraded=taken.degraded or UNSET,
    )


def summary_of(results: Sequence[EventResult]) -> Summary:
    counts = dict.fromkeys(Summary.__struct_fields__, 0)
    counts["events"] = len(results)
    for result in results:
        counts[result.outcome] += 1
        if result.action is not None:
            counts[result.action] += 1
    return Summary(**counts)
