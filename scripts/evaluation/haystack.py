"""Scanners in a haystack: attack lines laid over a real log, in the order in which they came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

import numpy as np
from msgspec.structs import replace

from feature_store.columns import Ints
from models.packs.access.events import AccessEvent
from producer.instants import rfc3339
from scripts.evaluation.logs import Traffic
from scripts.evaluation.protocol import Variant

FIRST_FRESH = IPv4Address("198.18.0.0")
"""Addresses kept for benchmarks, 131,072 of them: RFC 2544."""


@dataclass(frozen=True, slots=True)
class Haystack:
    """A background with attackers in it.

    Args:
        events: In the order in which they came.
        attackers: Fresh client to the name of its attack's log.
    """

    events: Sequence[AccessEvent]
    attackers: Mapping[str, str]


def lay(
    background: Traffic, attacks: Sequence[Traffic], variant: Variant, seed: int | str
) -> Haystack:
    """Each attack from a start of its own inside the background, from clients of its own."""
    chance = np.random.default_rng(list(str(seed).encode()))
    fresh = _fresh({event.client_ip for event in background.events})
    attackers: dict[str, str] = {}
    # A log that steps back in time keeps its order: each line came when the newest so far had.
    parts = [(np.maximum.accumulate(background.at), background.events)]
    for attack in attacks:
        start = int(chance.integers(background.at.min(), background.at.max(), endpoint=True))
        clients = [next(fresh) for _ in range(min(variant.addresses, len(attack)))]
        attackers |= dict.fromkeys(clients, attack.name)
        at = start + (attack.at - attack.at[0]) * variant.stretch
        parts.append((at, _disguised(attack.events, at, clients)))
    arrived = np.concatenate([at for at, _ in parts])
    together = [event for _, events in parts for event in events]
    order = np.argsort(arrived, kind="stable").tolist()
    return Haystack([together[i] for i in order], attackers)


def _disguised(
    events: Sequence[AccessEvent], at: Ints, clients: Sequence[str]
) -> list[AccessEvent]:
    return [
        replace(event, occurred_at=rfc3339(moment), client_ip=clients[i % len(clients)])
        for i, (event, moment) in enumerate(zip(events, at.tolist(), strict=True))
    ]


def _fresh(taken: Iterable[str]) -> Iterator[str]:
    known = set(taken)
    for number in range(2**17):
        if (address := str(FIRST_FRESH + number)) not in known:
            yield address
