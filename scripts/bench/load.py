"""Bench traffic: clients of very uneven appetite, each of whom behaves like a simulated visitor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any

import msgspec
import numpy as np

from models.pack import DomainPack

ZIPF_EXPONENT = 1.1
ATTACKS = 0.02
STEP_US = 100_000
SIMULATED = 50_000


def lines(
    pack: DomainPack,
    events: int,
    clients: int,
    *,
    is_flat: bool,
    seed: int,
    until_us: int,
    hot: float = 0.0,
) -> Iterator[tuple[str, bytes]]:
    """(client, line) in event-time order, 10 a second of event time, the last at `until_us`.

    Args:
        clients: How many there are; uniform if `is_flat`, else Zipf with exponent 1.1. Each
            makes the requests of one simulated visitor, over and over, the loudest those of the
            loudest; 2 % of all lines are attacks, by clients of their own.
        hot: The share of one client more, before all others.
    """
    rng = np.random.default_rng(seed)
    weights = np.ones(clients) if is_flat else np.arange(1, clients + 1) ** -ZIPF_EXPONENT
    shares = weights / weights.sum()
    if hot:
        shares = np.append(hot, (1 - hot) * shares)
    drawn = rng.choice(len(shares), events, p=shares)
    labelled = list(pack.simulate(seed, SIMULATED))
    visits = _visits([event for event, label in labelled if not label])
    attacks = cycle([event for event, label in labelled if label])
    is_attack = rng.random(events) < ATTACKS
    times = until_us - STEP_US * np.arange(events - 1, -1, -1)
    stamps = np.datetime_as_string(times.astype("datetime64[us]").astype("datetime64[ms]"))
    encoder = msgspec.json.Encoder()
    visitors: dict[int, Iterator[Any]] = {}
    rows = zip(drawn.tolist(), stamps.tolist(), is_attack.tolist(), strict=True)
    for number, (client, stamp, attacking) in enumerate(rows):
        if client not in visitors:
            visitors[client] = cycle(visits[client % len(visits)])
        network = 11 if attacking else 10
        address = f"{network}.{client >> 16}.{client >> 8 & 255}.{client & 255}"
        event = msgspec.structs.replace(
            next(attacks if attacking else visitors[client]),
            event_id=f"{seed}-{number}",
            client_ip=address,
            occurred_at=f"{stamp}Z",
        )
        yield address, encoder.encode(event)


def _visits(events: Sequence[Any]) -> list[list[Any]]:
    """The requests of each visitor, those of the loudest first."""
    visits: dict[str, list[Any]] = {}
    for event in events:
        visits.setdefault(event.client_ip, []).append(event)
    return sorted(visits.values(), key=len, reverse=True)
