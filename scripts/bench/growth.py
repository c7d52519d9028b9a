"""What grows with clients and windows, and what must not: `python -m scripts.bench.growth`.

The same `/analyze` load is asked of a stack that knows a thousand clients, and again once it knows
a million; an agent caches 50,000 of each partition, so most of that million is read from Redis.
A client has as many events as Zipf's law (exponent 1.1) gives it, at least one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import timedelta

import numpy as np
import redis
import uvloop

from feature_store.definitions import DAY, HOUR, MINUTE
from feature_store.kernel import WindowKernel
from producer.publisher import Publisher, records_of
from scripts.bench import usage
from scripts.bench.command import command
from scripts.bench.kernel import ACCESS_LIKE, START, traffic
from scripts.bench.open_loop import Latencies, open_loop
from scripts.bench.stacks import PARTITIONS, Running, bodies, running_stack

FEW = 1_000
RATE, SIZE = 50, 100
TEMPLATE = (
    b'{"occurred_at":"%s","client_ip":"%s","method":"GET","path":"/product/%d",'
    b'"status":200,"event_id":"g-%d","bytes":5120,"user_agent":"Mozilla/5.0"}'
)


def run(quick: bool) -> dict[str, object]:
    many = 20_000 if quick else 1_000_000
    seconds = 3 if quick else 8
    with running_stack("ingestion", "decision", "api") as stack:
        _asked(stack, FEW, 2, seed=1)
        few = _asked(stack, FEW, seconds, seed=2)
        few_rss = _rss(stack)
        store = redis.Redis.from_url(stack.settings.redis)
        bytes_before, keys_before = _memory(store), int(store.dbsize())
        began = time.monotonic()
        events = _populate(stack, many)
        filled_s = time.monotonic() - began
        used = _memory(store) - bytes_before
        keys = int(store.dbsize()) - keys_before
        many_answers = _asked(stack, many, seconds, seed=3)
        found = {
            "clients": {"few": FEW, "many": many},
            "few": asdict(few),
            "many": asdict(many_answers),
            "p50_growth": round(many_answers.p50_ms / few.p50_ms, 2),
            "populated_events": events,
            "populated_events_per_s": round(events / filled_s),
            "redis_keys": keys,
            "redis_bytes_a_client": round(used / max(1, keys), 1),
            "rss_mb": {"few": few_rss, "many": _rss(stack)},
            "ledger": stack.ledger(),
        }
    return found | {"window": windows(quick)}


def windows(quick: bool) -> dict[str, object]:
    """A fold's CPU time with one window of a minute, an hour or a day, equally full.

    Each client has 80 events in a window, whatever its length: more than are kept one by one.
    """
    rounds = 3 if quick else 7
    took: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, over in (("1m", MINUTE), ("1h", HOUR), ("24h", DAY)):
            took.setdefault(name, []).append(_fold_us(over))
    medians = {name: round(float(np.median(each)), 3) for name, each in took.items()}
    return {"us_an_event": medians, "growth": round(medians["24h"] / medians["1m"], 2)}


def _fold_us(over: timedelta) -> float:
    kept = tuple(feature for feature in ACCESS_LIKE.features if feature.over == over)
    kernel, rng = WindowKernel(replace(ACCESS_LIKE, features=kept)), np.random.default_rng(7)
    clients, full, chunk, chunks = 500, 80, 2_000, 40
    step_us = over // timedelta(microseconds=1) // (clients * full)
    states, took = [b""] * clients, 0
    for number in range(chunks):
        entity = rng.integers(0, clients, chunk).astype(np.int32)
        ticks = number * chunk + np.arange(chunk, dtype=np.int64)
        inputs = traffic(rng, START + ticks * step_us)
        began = time.thread_time_ns()
        states = kernel.fold(states, entity, inputs).states
        if number >= chunks // 2:
            took += time.thread_time_ns() - began
    return took / (chunk * (chunks - chunks // 2)) / 1000


def _asked(stack: Running, clients: int, seconds: int, *, seed: int) -> Latencies:
    made = list(bodies(RATE * seconds, SIZE, clients, seed=seed))
    return Latencies.of(RATE, uvloop.run(open_loop(stack.settings.api, "/analyze", made, RATE)))


def _populate(stack: Running, clients: int) -> int:
    """Write events of all clients and wait until they are judged; how many there were."""
    before = sum(stack.ledger().values())
    sent = 0
    with Publisher(stack.settings.kafka, linger_ms=5) as publisher:
        for numbered in _in_batches(clients):
            for record in records_of("access", numbered, PARTITIONS):
                publisher.put(record, lambda error, message: None)
            sent += len(numbered)
            while sent - (sum(stack.ledger().values()) - before) > 400_000:
                time.sleep(0.2)
        publisher.flush(60)
    stack.settled(before + sent, within_s=180)
    return sent


def _in_batches(clients: int) -> Iterator[list[tuple[str, str, bytes]]]:
    """Each client's events, Zipf 1.1, at least one and together 1.5 a client; over an hour."""
    ranks = np.arange(1, clients + 1) ** -1.1
    counts = 1 + np.floor(0.5 * clients * ranks / ranks.sum()).astype(np.int64)
    drawn = np.random.default_rng(5).permutation(np.repeat(np.arange(clients), counts))
    until = np.datetime64(time.time_ns() // 1_000_000, "ms")
    stamps = np.datetime_as_string(until - np.arange(len(drawn))[::-1] * 3_600_000 // len(drawn))
    for first in range(0, len(drawn), 20_000):
        part = drawn[first : first + 20_000].tolist()
        batch = []
        for number, client in enumerate(part, first):
            name = f"172.{16 + (client >> 16)}.{client >> 8 & 255}.{client & 255}"
            fields = (f"{stamps[number]}Z".encode(), name.encode(), client % 997, number)
            batch.append((str(number), name, TEMPLATE % fields))
        yield batch


def _rss(stack: Running) -> dict[str, float]:
    return {name: round(usage.rss_mb([pid]), 1) for name, pid in stack.pids.items()}


def _memory(store: redis.Redis) -> int:
    return int(store.info("memory")["used_memory"])


if __name__ == "__main__":
    command(run, quick="20,000 clients.")
