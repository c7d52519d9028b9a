"""An event's features computed again from the log, by the fold that training takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any

import numpy as np

from feature_store.columns import Columns, Ints
from feature_store.offline import features_of
from feature_store.seen import SeenIds
from feature_store.text import hash64
from models.artifacts import Champion
from models.contracts import Action, ActionTaken
from models.judging import judge
from models.pack import DomainPack
from models.reasons import Explainer
from producer.records import Record
from producer.retained import Retained
from stream_agents.engine import Detection, EventChunk
from stream_agents.sighting import Sighting, Tell
from stream_agents.stage import Place

RECORDS_AT_ONCE = 64
MILLISECOND = timedelta(milliseconds=1)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Derived:
    """What an event amounts to when the log is folded again.

    Args:
        taken: As it would be answered now, by itself: without lists, and whatever is in force.
        events: How many events of its entity were folded, itself included; 0 if it was not.
        is_whole: Whether the log reaches back as far as the features do.
    """

    taken: ActionTaken
    events: int
    is_whole: bool


def rederive(
    pack: DomainPack,
    champion: Champion,
    events: Retained,
    sighting: Sighting,
    seen_ids: int,
    tell: Tell,
) -> Derived:
    """Fold an event's entity up to it again, from the events before it in its partition.

    The features are those of the answer bit by bit, if the log still reaches back far enough and
    the pack declares the same as then.

    Args:
        seen_ids: How many event ids a partition remembers; a repeat among them is passed over. Of
            an id that named another event, longer ago than `reach`, nothing is known here.
    """
    place, detection = sighting.place, Detection(pack, champion)
    record = Record(place.partition, place.offset, sighting.at_ms, sighting.line)
    alone = detection.decode([record])
    if alone.lines.dead:
        line = alone.lines.dead[0]
        error = f"{line.error}: {line.reason}"
        return Derived(ActionTaken(sighting.event_id, "dead", error=error), 0, True)
    span, is_whole = span_before(events, place, int(alone.columns.at[0]), reach(pack))
    records = watched(events.read(place.partition, span), tell)
    chunks = map(detection.decode, in_parts(records))
    own, is_new = new_events(chunks, alone.names[0], place, SeenIds(seen_ids))
    if not is_new:
        return Derived(repeat(pack, alone.lines.events[0]), 0, is_whole)
    return Derived(judged(pack, champion, own), len(own), is_whole)


def reach(pack: DomainPack) -> timedelta:
    """How long before an event there may be anything in the log that its features depend on.

    The longest window and the 1/24 of it by which it may reach too far; once more as long for the
    gap of the oldest event within; and what clocks may be ahead of a record's time.
    """
    longest = pack.features.longest
    return 2 * longest + longest / 24 + pack.max_skew


def span_before(events: Retained, place: Place, at: int, reach: timedelta) -> tuple[range, bool]:
    """The offsets to fold for an event of a time (microseconds), and whether they are all there."""
    since_ms = max(0, at // 1000 - reach // MILLISECOND)
    first = events.spans()[place.partition].start
    start = events.spans(since_ms)[place.partition].start
    return range(start, place.offset + 1), first == 0 or start > first


def new_events(
    chunks: Iterable[EventChunk], entity: str, place: Place, seen: SeenIds
) -> tuple[list[Any], bool]:
    """An entity's events up to a place without repeats, and whether the one there is among them."""
    own: list[Any] = []
    at = None
    for chunk in chunks:
        repeated = seen.remember(hash64(chunk.columns.event_id)).tolist()
        for number, name in enumerate(chunk.names):
            if name != entity or repeated[number]:
                continue
            next_at = chunk.lines.place(int(chunk.lines.slots[number]))
            if next_at > place:
                break
            own.append(chunk.lines.events[number])
            at = next_at
    return own, at == place


def judged(pack: DomainPack, champion: Champion, own: Sequence[Any]) -> ActionTaken:
    """The last of an entity's events as it would be answered by itself."""
    event, entity = own[-1], pack.entity(own[-1])
    columns = pack.columns(own)
    if is_late(columns.at, pack.features.longest):
        behind = f"more than {pack.features.longest} behind the newest of {entity}"
        return ActionTaken(event.event_id, "late", None, entity, event.occurred_at, error=behind)
    row = features_of(pack.features, columns)[-1:]
    feature, last = Columns.of_matrix(pack.features.names, row), pack.columns([event])
    score, which = judge(pack, champion, feature, last)
    rules = [rule for rule, fires in zip(pack.rules, which[0].tolist(), strict=True) if fires]
    severity = max((int(rule.severity) for rule in rules), default=0)
    action = Action(pack.policy.actions(score, np.array([severity]))[0])
    ttl = pack.policy.ttl.get(action)
    return ActionTaken(
        event.event_id,
        "decided",
        action.name.lower(),  # type: ignore[arg-type]  # the literals are its names
        entity,
        event.occurred_at,
        float(score[0]),
        int(ttl.total_seconds()) if ttl else None,
        tuple(rule.name for rule in rules),
        Explainer(pack, champion).reasons(row, which, last, np.array([0]))[0] if action else (),
        # An unknown feature is NaN, which is not itself.
        {n: v for n, v in zip(pack.features.names, row[0].tolist(), strict=True) if v == v},
        champion.version,
        pack.policy.version,
    )


def repeat(pack: DomainPack, event: Any) -> ActionTaken:  # the pack's own event
    entity, event_id = pack.entity(event), event.event_id
    return ActionTaken(
        event_id, "duplicate", None, entity, event.occurred_at, duplicate_of=event_id
    )


def is_late(at: Ints, longest: timedelta) -> bool:
    """Whether the last of some event times is late; late ones before it move nothing."""
    return len(at) > 1 and bool(at[-1] < at[:-1].max() - longest // MICROSECOND)


def in_parts(records: Iterator[Record]) -> Iterator[list[Record]]:
    while part := list(islice(records, RECORDS_AT_ONCE)):
        yield part


def watched(records: Iterable[Record], tell: Tell) -> Iterator[Record]:
    for record in records:
        tell(record)
        yield record
