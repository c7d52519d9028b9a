"""Bench traffic: the simulator's requests, from many clients of very uneven appetite."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from models.pack import DomainPack

ZIPF_EXPONENT = 1.1


def lines(
    pack: DomainPack, events: int, clients: int, *, is_flat: bool, seed: int, until_us: int
) -> Iterator[tuple[str, bytes]]:
    """(client, line) in event-time order, 1,000 a second of event time, the last at `until_us`.

    Args:
        clients: How many there are; uniform if `is_flat`, else Zipf with exponent 1.1.
    """
    rng = np.random.default_rng(seed)
    weights = np.ones(clients) if is_flat else np.arange(1, clients + 1) ** -ZIPF_EXPONENT
    drawn = rng.choice(clients, events, p=weights / weights.sum())
    requests = [event for event, _ in pack.simulate(seed, min(events, 20_000))]
    times = until_us - 1000 * np.arange(events - 1, -1, -1)
    stamps = np.datetime_as_string(times.astype("datetime64[us]").astype("datetime64[ms]"))
    encoder = msgspec.json.Encoder()
    for number, (client, stamp) in enumerate(zip(drawn.tolist(), stamps.tolist(), strict=True)):
        address = f"10.{client >> 16}.{client >> 8 & 255}.{client & 255}"
        event = msgspec.structs.replace(
            requests[number % len(requests)],
            event_id=f"{seed}-{number}",
            client_ip=address,
            occurred_at=f"{stamp}Z",
        )
        yield address, encoder.encode(event)
