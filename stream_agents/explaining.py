"""Explanations of what was kept; those from the log are in searching.py, which loads slowly."""

from __future__ import annotations

from producer.retained import Retained
from stream_agents.explained import Explanation
from stream_agents.explanation import Answered, Judges, explain
from stream_agents.sighting import TAKEN, event_of
from stream_agents.stage import KeptDecision


def explain_kept(kept: KeptDecision, events: Retained, judges: Judges) -> Explanation:
    """Why an event was answered as it was, from what was kept of the answer."""
    taken = TAKEN.decode(kept.line)
    line, missing = event_of(kept, events)
    place = kept.place.text if kept.place else None
    return explain(Answered(taken, "kept", place, line, missing), judges)
