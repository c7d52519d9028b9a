"""The clients that were not simply allowed, to be looked at by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from models.contracts import Action, ActionTaken
from models.packs.access.events import AccessEvent
from scripts.evaluation.figures import by_client, level_of

REASONS = 5
SAMPLES = 4


class Noted(msgspec.Struct, frozen=True):
    """A client that met more than allow.

    Args:
        worst: The severest action that it met.
        first: The number of its first request that met one, from 1.
        actions: How often it met each, without allow.
        reasons: The most frequent codes, with how often each was given.
        samples: Some of the requests that met the severest action.
    """

    background: str
    track: str
    client: str
    worst: str
    requests: int
    first: int
    actions: dict[str, int]
    reasons: dict[str, int]
    samples: tuple[str, ...]


def noted(
    background: str, track: str, events: Sequence[AccessEvent], actions: Sequence[ActionTaken]
) -> Iterator[Noted]:
    """The clients that met an action, those worst off first."""
    asked = {event.event_id: event for event in events}
    clients = by_client(actions)
    worst = {client: max(map(level_of, own)) for client, own in clients.items()}
    for client in sorted(clients, key=lambda client: (-worst[client], client)):
        if worst[client] > Action.ALLOW:
            yield _noted(background, track, client, clients[client], asked)


def _noted(
    background: str,
    track: str,
    client: str,
    own: Sequence[ActionTaken],
    asked: dict[str, AccessEvent],
) -> Noted:
    met = [taken for taken in own if level_of(taken) > Action.ALLOW]
    worst = max(map(level_of, met))
    reasons = Counter(reason.code for taken in met for reason in taken.reasons)
    severest = [taken for taken in met if level_of(taken) == worst]
    samples = severest[:: max(1, len(severest) // SAMPLES)][:SAMPLES]
    return Noted(
        background,
        track,
        client,
        worst.name.lower(),
        len(own),
        own.index(met[0]) + 1,
        dict(Counter(str(taken.action) for taken in met)),
        dict(reasons.most_common(REASONS)),
        tuple(_told(asked[taken.event_id]) for taken in samples),
    )


def _told(event: AccessEvent) -> str:
    request = f"{event.method} {event.path[:120]}"
    return f"{event.occurred_at} {request} {event.status} {event.user_agent[:60]!r}"
