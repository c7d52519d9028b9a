"""What a run came to: attackers found, ordinary clients touched, how soon a block came."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from feature_store.columns import TextColumn
from feature_store.text import parse_times
from models.contracts import Action, ActionTaken

LEVEL = {action.name.lower(): action for action in Action}


@dataclass(frozen=True, slots=True)
class Course:
    """What a client met.

    Args:
        worst: The severest action.
        requests_to_block: The number of the first request that was blocked, from 1, or None.
        seconds_to_block: From the client's first request to that one, or None.
    """

    worst: Action
    requests_to_block: int | None = None
    seconds_to_block: float | None = None


class Spread(msgspec.Struct, frozen=True):
    """Order statistics over attackers; None where that many were not blocked at all."""

    median: float | None
    p90: float | None
    max: float | None


def courses(actions: Iterable[ActionTaken]) -> dict[str, Course]:
    """Each client's course.

    Args:
        actions: Those of one client in the order of its events.
    """
    return {client: _course(own) for client, own in by_client(actions).items()}


def by_client(actions: Iterable[ActionTaken]) -> dict[str, list[ActionTaken]]:
    taken: dict[str, list[ActionTaken]] = {}
    for action in actions:
        taken.setdefault(action.entity, []).append(action)
    return taken


def level_of(action: ActionTaken) -> Action:
    """A late or repeated event earns no action."""
    return LEVEL[action.action] if action.action else Action.ALLOW


def spread_of(values: Sequence[float | None]) -> Spread:
    """For each share, the smallest value that it does not exceed; None lies beyond all values."""
    ordered = np.sort([np.inf if value is None else value for value in values])
    if not len(ordered):
        return Spread(None, None, None)
    places = [max(1, int(np.ceil(share * len(ordered)))) - 1 for share in (0.5, 0.9, 1.0)]
    found = [float(ordered[place]) for place in places]
    return Spread(*(value if np.isfinite(value) else None for value in found))


def _course(own: Sequence[ActionTaken]) -> Course:
    levels = [level_of(action) for action in own]
    if (worst := max(levels)) < Action.BLOCK:
        return Course(worst)
    first = levels.index(Action.BLOCK)
    times = TextColumn.of([own[0].occurred_at, own[first].occurred_at])
    began, blocked = parse_times(times).tolist()
    return Course(worst, first + 1, (blocked - began) / 1e6)
