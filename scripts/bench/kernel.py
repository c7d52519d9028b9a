"""What an entity's state takes, and what a fold costs: `python -m scripts.bench.kernel`.

The declaration is the size of the access pack's: 4 windows, 44 features. Times are CPU time of
this thread, so that a busy machine disturbs them little; the median over rounds of chunks.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from feature_store.columns import Ints
from feature_store.definitions import (
    DAY,
    GAP,
    HOUR,
    MINUTE,
    Aggregate,
    Distinct,
    FeatureSet,
    Filter,
    Value,
    over_windows,
)
from feature_store.kernel import EventInputs, WindowKernel

WINDOWS = (MINUTE, 10 * MINUTE, HOUR, DAY)
FILTERS = tuple(Filter(f"claim{i}", lambda event: event.claim) for i in range(5))
ACCESS_LIKE = FeatureSet(
    entity="client",
    key="client",
    features=(
        *over_windows("requests", Aggregate.COUNT, WINDOWS),
        *(f for c in FILTERS for f in over_windows(c.name, Aggregate.COUNT, WINDOWS, where=c.name)),
        *over_windows("bytes", Aggregate.SUM, WINDOWS, value="bytes"),
        *over_windows("path", Aggregate.DISTINCT, WINDOWS, value="path"),
        *over_windows("agent", Aggregate.DISTINCT, WINDOWS, value="agent"),
        *over_windows("gap", Aggregate.MEAN, WINDOWS, value=GAP),
        *over_windows("gap", Aggregate.STD, WINDOWS, value=GAP),
    ),
    values=(Value("bytes", lambda event: event.bytes),),
    filters=FILTERS,
    distincts=(
        Distinct("path", lambda event: event.path),
        Distinct("agent", lambda event: event.agent),
    ),
)
START = 1_800_000_000_000_000
ENTITIES, CHUNK, CHUNKS, ROUND = 100_000, 2_000, 500, 50
EVENTS_PER_S = 500
SEED = 7


def traffic(rng: np.random.Generator, at: Ints) -> EventInputs:
    count = len(at)
    return EventInputs(
        at,
        rng.integers(0, 32, count).astype(np.uint64),
        rng.lognormal(8, 1.5, (count, 1)).astype(np.int64),
        rng.integers(0, 300, (count, 2)).astype(np.uint32) * np.uint32(2_654_435_761),
    )


def sizes(kernel: WindowKernel) -> Iterator[tuple[int, int]]:
    """Bytes of an entity seen so many times, every 5 s on average."""
    for seen in (1, 10, 64, 100, 10_000, 100_000):
        rng = np.random.default_rng(SEED)
        at = START + np.cumsum(rng.exponential(5e6, seen)).astype(np.int64)
        outcome = kernel.fold([b""], np.zeros(seen, np.int32), traffic(rng, at))
        yield seen, len(outcome.states[0])


def chunk_costs(kernel: WindowKernel, share: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Ints:
    """Nanoseconds of each chunk's fold, over a growing population."""
    rng = np.random.default_rng(SEED)
    cumulated, states, costs = np.cumsum(share / share.sum()), [b""] * ENTITIES, []
    for chunk in range(CHUNKS):
        drawn = np.searchsorted(cumulated, rng.random(CHUNK)).clip(max=ENTITIES - 1)
        touched, entity = np.unique(drawn, return_inverse=True)
        ticks = chunk * CHUNK + np.arange(CHUNK, dtype=np.int64)
        inputs = traffic(rng, START + ticks * 1_000_000 // EVENTS_PER_S)
        before = [states[e] for e in touched]
        started = time.thread_time_ns()
        outcome = kernel.fold(before, entity.astype(np.int32), inputs)
        costs.append(time.thread_time_ns() - started)
        for e, state in zip(touched, outcome.states, strict=True):
            states[e] = state
    return np.array(costs)


def main() -> None:
    kernel = WindowKernel(ACCESS_LIKE)
    for seen, size in sizes(kernel):
        print(f"seen {seen:>7,} times: {size:>5,} bytes")
    ranks = np.arange(1, ENTITIES + 1, dtype=np.float64)
    for name, share in (("zipf 1.1", ranks**-1.1), ("flat", np.ones(ENTITIES))):
        rounds = chunk_costs(kernel, share).reshape(-1, ROUND)
        medians = np.median(rounds, axis=1) / CHUNK / 1000
        print(f"{name}: us an event, round by round: {' '.join(f'{m:.2f}' for m in medians)}")


if __name__ == "__main__":
    main()
