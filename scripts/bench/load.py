"""Bench traffic: the simulator's requests, from many clients of very uneven appetite."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from models.pack import DomainPack

ZIPF_EXPONENT = 1.1
ATTACKS = 0.02


def lines(
    pack: DomainPack, events: int, clients: int, *, is_flat: bool, seed: int, until_us: int
) -> Iterator[tuple[str, bytes]]:
    """(client, line) in event-time order, 10 a second of event time, the last at `until_us`.

    Args:
        clients: How many there are; uniform if `is_flat`, else Zipf with exponent 1.1. Their
            requests are ordinary ones; 2 % of all lines are attacks, by clients of their own.
    """
    rng = np.random.default_rng(seed)
    weights = np.ones(clients) if is_flat else np.arange(1, clients + 1) ** -ZIPF_EXPONENT
    drawn = rng.choice(clients, events, p=weights / weights.sum())
    labelled = list(pack.simulate(seed, 20_000))
    ordinary = [e for e, label in labelled if not label and e.method == "GET" and e.status < 400]
    attacks = [event for event, label in labelled if label]
    is_attack = rng.random(events) < ATTACKS
    times = until_us - 100_000 * np.arange(events - 1, -1, -1)
    stamps = np.datetime_as_string(times.astype("datetime64[us]").astype("datetime64[ms]"))
    encoder = msgspec.json.Encoder()
    rows = zip(drawn.tolist(), stamps.tolist(), is_attack.tolist(), strict=True)
    for number, (client, stamp, attacking) in enumerate(rows):
        network = 11 if attacking else 10
        address = f"{network}.{client >> 16}.{client >> 8 & 255}.{client & 255}"
        requests = attacks if attacking else ordinary
        event = msgspec.structs.replace(
            requests[number % len(requests)],
            event_id=f"{seed}-{number}",
            client_ip=address,
            occurred_at=f"{stamp}Z",
        )
        yield address, encoder.encode(event)
