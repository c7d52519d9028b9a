"""Explanations of any event that is still in the log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from msgspec.structs import replace

from models.contracts import ActionTaken
from producer.retained import Retained
from stream_agents.explained import Explanation
from stream_agents.explanation import Answered, Judges, explain
from stream_agents.rederivation import Derived, rederive
from stream_agents.sighting import Sighting, Tell, find_answer, find_event

CLOCKS = timedelta(minutes=5)
"""An answer's record time may be so long before its event's, as their writers' clocks differ."""


@dataclass(frozen=True, slots=True)
class Logs:
    """A pack's log, to be searched.

    Args:
        events, actions: `events.<pack>` and `actions.<pack>`.
        since_ms: Record time from which on an event is looked for.
        seen_ids: How many event ids a partition remembers.
        tell: Is told of every record that is read.
    """

    events: Retained
    actions: Retained
    since_ms: int
    seen_ids: int
    tell: Tell


def explain_logged(event_id: str, logs: Logs, judges: Judges) -> Explanation | None:
    """Why an event was answered as it was; None where the event is not found there.

    An answer that carries no features is given those that come out when the log is folded again.

    Args:
        judges: With a champion.
    """
    assert judges.champion is not None
    spans = logs.events.spans(logs.since_ms)
    found = find_event(judges.pack, logs.events, spans, event_id, logs.tell)
    if found is None:
        return None
    taken = answer_to(found, logs)
    if taken is not None and (taken.features is not None or taken.outcome != "decided"):
        return explain(Answered(taken, "actions", found.place.text, found.line), judges)
    derived = rederive(judges.pack, judges.champion, logs.events, found, logs.seen_ids, logs.tell)
    return explain(completed(taken, derived, found, logs), judges)


def answer_to(found: Sighting, logs: Logs) -> ActionTaken | None:
    since_ms = max(0, found.at_ms - CLOCKS // timedelta(milliseconds=1))
    partition = found.place.partition
    span = logs.actions.spans(since_ms).get(partition, range(0))
    return find_answer(logs.actions, (partition, span), found.event_id, logs.tell)


def completed(taken: ActionTaken | None, derived: Derived, found: Sighting, logs: Logs) -> Answered:
    """An answer with the features derived again; what it would be now, where none was found."""
    notes = []
    if taken is None:
        notes.append(f"no answer was found on {logs.actions.topic}: this is what it would be now")
    elif taken.outcome != derived.taken.outcome:
        notes.append(f"folded again, the event is {derived.taken.outcome}")
    if not derived.is_whole:
        notes.append(f"{logs.events.topic} does not reach back as far as the features do")
    answer = derived.taken if taken is None else replace(taken, features=derived.taken.features)
    return Answered(
        answer,
        "now" if taken is None else "actions",
        found.place.text,
        found.line,
        derived_from=derived.events,
        notes=tuple(notes),
    )
