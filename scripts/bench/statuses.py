"""How many payments of a merchant ended with a status, minute by minute: 50 series of counts.

As events of job J1: the series is the client, the count are the bytes, and the status is 500 while
the merchant's payments fail.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from feature_store.columns import Floats, Ints
from models.packs.access.events import AccessEvent

SHARES = {"approved": 0.90, "declined": 0.06, "refunded": 0.02, "expired": 0.01, "failed": 0.01}
FAILING = {"approved": 0.20, "declined": 0.06, "refunded": 0.02, "expired": 0.01, "failed": 0.71}
"""Where a merchant's payments end, as a rule and while they fail."""
MERCHANTS = 10
SERIES = MERCHANTS * len(SHARES)
BUSIEST_A_MINUTE = 600
"""Payments of the greatest merchant at midday; the n-th greatest has an n-th of them."""
OUTAGE_MINUTES, DAYS_BETWEEN = 30, 2
DAY_MINUTES = 1440
MINUTE_US = 60_000_000


def lines(events: int, seed: int, until_us: int) -> Iterator[tuple[str, bytes]]:
    """(series, line) in order of time, each minute in turn, the last at `until_us`."""
    rng = np.random.default_rng(seed)
    minutes = -(-events // SERIES)
    fails = _outages(rng, minutes)
    times = until_us - MINUTE_US * np.arange(minutes - 1, -1, -1)
    counts = rng.poisson(_expected(times // MINUTE_US % DAY_MINUTES, fails))
    stamps = np.datetime_as_string(times.astype("datetime64[us]").astype("datetime64[s]"))
    names = [(f"merchant-{m}.{status}", m) for m in range(MERCHANTS) for status in SHARES]
    encoder = msgspec.json.Encoder()
    for number in range(events):
        minute, series = divmod(number, SERIES)
        name, merchant = names[series]
        event = AccessEvent(
            occurred_at=f"{stamps[minute]}Z",
            client_ip=name,
            method="POST",
            path="/payments",
            status=500 if fails[minute, merchant] else 200,
            event_id=f"{seed}-{number}",
            bytes=int(counts[minute, merchant, series % len(SHARES)]),
        )
        yield name, encoder.encode(event)


def _outages(rng: np.random.Generator, minutes: int) -> NDArray[np.bool_]:
    """Whether a merchant's payments fail in a minute, `(minutes, MERCHANTS)`."""
    begins = rng.random((minutes, MERCHANTS)) < 1 / (DAYS_BETWEEN * DAY_MINUTES)
    begun = np.cumsum(begins, axis=0, dtype=np.int64)
    ended = np.zeros_like(begun)
    ended[OUTAGE_MINUTES:] = begun[:-OUTAGE_MINUTES]
    fails: NDArray[np.bool_] = begun > ended
    return fails


def _expected(of_day: Ints, fails: NDArray[np.bool_]) -> Floats:
    """Payments in a minute, `(minutes, MERCHANTS, statuses)`: least at midnight, most at midday."""
    rhythm = 0.55 - 0.45 * np.cos(2 * np.pi * of_day / DAY_MINUTES)
    sizes = BUSIEST_A_MINUTE / np.arange(1, MERCHANTS + 1)
    usual, failing = (np.array([*shares.values()]) for shares in (SHARES, FAILING))
    shares = np.where(fails[..., None], failing, usual)
    expected: Floats = rhythm[:, None, None] * sizes[None, :, None] * shares
    return expected
