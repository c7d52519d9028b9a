"""Whether answers are what the log amounts to: some of them derived again, and compared bit by bit.

The quick way folds the lines that name the event's entity, and finds no repeat whose first was of
another entity. What differs by it is derived again by the way of `explain`, which reads every line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

from feature_store.fence import Gap
from feature_store.seen import SeenIds
from models.artifacts import Champion
from models.contracts import ActionTaken
from models.pack import DomainPack
from producer.records import Record
from producer.retained import Retained
from stream_agents.audited import Compared, Difference
from stream_agents.engine import Detection
from stream_agents.outcomes import source_of
from stream_agents.rederivation import (
    MILLISECOND,
    in_parts,
    judged,
    new_events,
    reach,
    rederive,
    span_before,
)
from stream_agents.sighting import PLAIN, TAKEN, Sighting, seen
from stream_agents.stage import Place, lines_of
from stream_agents.trails import Topics

MOST_TRIES = 20
"""Draws for one sample: most answers may be of another model, or of events that are gone."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An answer, and the event that it is about."""

    taken: ActionTaken
    event: Sighting


@dataclass(frozen=True, slots=True)
class Judge:
    """What answers are held against.

    Args:
        seen_ids: How many event ids a partition remembers.
        gaps: Of the partitions that have one: what came soon after was judged with less.
        most_bytes: Of the log, for one sample; one that wants more is passed over.
    """

    pack: DomainPack
    champion: Champion
    seen_ids: int
    gaps: Mapping[int, Gap]
    most_bytes: int = 1 << 62


class PassedOver(Exception):
    """An answer that cannot be compared; the message says why."""


def compare(topics: Topics, judge: Judge, samples: int, chance: Random) -> Compared:
    """Draws answers and derives them again.

    Raises:
        Unavailable: Kafka does not answer.
    """
    differing, over, checked = list[Difference](), Counter[str](), 0
    spans = {p: span for p, span in topics.actions.spans().items() if span}
    for _ in range(samples if spans else 0):
        for _ in range(MOST_TRIES):
            try:
                sample = drawn(topics, judge, spans, chance)
                what = difference(topics.events, judge, sample)
            except PassedOver as reason:
                over[str(reason)] += 1
                continue
            checked += 1
            if what:
                place = sample.event.place.text
                differing.append(Difference(sample.taken.event_id, place, what))
            break
    return Compared(checked, tuple(differing), dict(over))


def drawn(topics: Topics, judge: Judge, spans: Mapping[int, range], chance: Random) -> Sample:
    """A decision of the loaded model, each record as likely as any other."""
    [partition] = chance.choices(list(spans), [len(span) for span in spans.values()])
    record = topics.actions.record(partition, chance.choice(spans[partition]))
    lines = lines_of(record.value) if record else []
    if record is None or not lines:
        raise PassedOver("no longer in the log")
    number = chance.randrange(len(lines))
    taken = TAKEN.decode(lines[number])
    if taken.outcome != "decided":
        raise PassedOver("not decided")
    if taken.degraded:
        raise PassedOver("degraded")
    if taken.model != judge.champion.version:
        raise PassedOver("of another model")
    decision = before(topics.decisions, record)
    event = before(topics.events, decision)
    raws = lines_of(event.value)
    if number >= len(raws):
        raise PassedOver("not one answer a line")
    found = seen(judge.pack, event, number, raws[number])
    if found.event_id != taken.event_id:
        raise PassedOver("not one answer a line")
    return Sample(taken, found)


def before(topic: Retained, record: Record) -> Record:
    """The record of the stage before that a record answers."""
    source = source_of(record)
    if source is None:
        raise PassedOver("of no known source")
    found = topic.record(record.partition, source.offset)
    if found is None:
        raise PassedOver("no longer in the log")
    # The id of a topic is asked for last: it is a question of its own to the broker.
    if source.epoch != topic.epoch():
        raise PassedOver("of a topic that was made again")
    return found


def difference(events: Retained, judge: Judge, sample: Sample) -> str:
    """In words, empty for none."""
    gap = judge.gaps.get(sample.event.place.partition)
    if gap and sample.event.at_ms < gap.at_ms + reach(judge.pack) // MILLISECOND:
        raise PassedOver("soon after a gap in the log")
    quickly = derived_from_own(events, judge, sample)
    if quickly is not None and not told_apart(sample.taken, quickly):
        return ""
    exactly = rederive(
        judge.pack, judge.champion, events, sample.event, judge.seen_ids, lambda _: None
    )
    return told_apart(sample.taken, exactly.taken)


def derived_from_own(events: Retained, judge: Judge, sample: Sample) -> ActionTaken | None:
    """The event judged again, from the lines that name its entity; None where it was a repeat."""
    place, detection = sample.event.place, Detection(judge.pack, judge.champion)
    record = Record(place.partition, place.offset, sample.event.at_ms, sample.event.line)
    alone = detection.decode([record])
    if alone.lines.dead:
        raise PassedOver("it would be dead by now")
    at = int(alone.columns.at[0])
    span, is_whole = span_before(events, place, at, reach(judge.pack))
    if not is_whole:
        raise PassedOver("the log does not reach back far enough")
    entity = sample.taken.entity
    records = naming(events, place, span, entity, judge.most_bytes)
    chunks = map(detection.decode, in_parts(records))
    # Their lines are counted anew: the event is the last of them, whatever its number.
    end = Place(place.partition, place.offset, 1 << 62)
    own, _ = new_events(chunks, entity, end, SeenIds(judge.seen_ids))
    return judged(judge.pack, judge.champion, own) if own else None


def naming(
    events: Retained, place: Place, span: range, entity: str, most_bytes: int
) -> Iterator[Record]:
    """The records up to an event, with no lines but those that may be its entity's."""
    needle, read = max(PLAIN.findall(entity), key=len, default="").encode(), 0
    for record in events.read(place.partition, span):
        read += len(record.value)
        if read > most_bytes:
            raise PassedOver("too long a log")
        if needle in record.value:
            lines = lines_of(record.value)
            if record.offset == place.offset:
                lines = lines[: place.line + 1]
            own = b"\n".join(line for line in lines if needle in line)
            yield Record(record.partition, record.offset, record.at_ms, own)


def told_apart(given: ActionTaken, again: ActionTaken) -> str:
    """What differs between an answer and the same derived again; empty for nothing."""
    if again.outcome != given.outcome:
        return f"the event is {again.outcome}"
    if again.score != given.score:
        return f"the score is {again.score}, and was {given.score}"
    if given.features is None:
        return ""
    features = again.features or {}
    names = [n for n in {**features, **given.features} if features.get(n) != given.features.get(n)]
    if names:
        first = names[0]
        was, now = given.features.get(first), features.get(first)
        return f"{len(names)} features differ, such as {first}: it is {now}, and was {was}"
    if again.rules == given.rules:
        return ""
    return f"the rules are {', '.join(again.rules)}, and were {', '.join(given.rules)}"
