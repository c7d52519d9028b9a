"""L: more than usual, more for one than for all, and slower than usual."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.faults import ledger
from tests.faults.catalogue import Outcome, fault
from tests.faults.cluster import PACK, Cluster, Clusters
from tests.faults.events import Answer, answers, percentile, request
from tests.faults.journal import Journal, Line, Producer, traffic
from tests.faults.proxy import proxy

USUAL = 200.0
"""Events a second."""
BURST = 10
BURST_S = 12.0
HOT_SHARE = 0.8
PHASE_S = 12.0
DELAY_S = 0.2
SLOW_S = 45.0
GROWTH_MIB = 40.0
"""In memory, where nothing piles up: caches of clients fill meanwhile."""
FEW_KEYS = 50_000
MANY_KEYS = 1_000_000
CLIENTS = f"feature:{{{PACK}.[0-9]*"
"""Keys of clients' windows; standings have a tag of their own."""


@fault(
    "L1",
    f"{BURST} times the usual events for {BURST_S:g} s",
    passes="nothing missing; what has queued is answered within twice the burst",
    times=2,
)
def burst(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    latencies: list[float] = []
    journal = Journal()
    with clusters() as cluster:
        for _ in range(times):
            with Producer(cluster.kafka, rate=USUAL, seed=chance.randrange(10**6)) as producer:
                time.sleep(2)
                began_ms = time.time_ns() // 1_000_000
                producer.rate = BURST * USUAL
                time.sleep(BURST_S)
                producer.stop()
                sent_ms = time.time_ns() // 1_000_000
                outcome.recovery_s.append(cluster.await_answered(cluster.ends(), 4 * BURST_S))
            journal.acked += producer.journal.acked
            latencies += [
                a.latency_s for a in answers(cluster) if began_ms <= a.arrived_ms <= sent_ms
            ]
            outcome.require(outcome.recovery_s[-1] <= 2 * BURST_S, f"{outcome.recovery_s[-1]} s")
            outcome.times += 1
        outcome.add(ledger.check(cluster, journal))
    outcome.figures |= {
        "events a second in the burst": len(latencies) / BURST_S / times,
        "p50 in the burst, s": percentile(latencies, 0.5),
        "p99 in the burst, s": percentile(latencies, 0.99),
    }
    return outcome


@fault(
    "L2",
    "four of five events are one client's",
    passes="p99 of the other clients at most 3 times that without it",
    times=2,
)
def hot_key(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    clean: list[float] = []
    beside: list[float] = []
    journal = Journal()
    with clusters() as cluster:
        for number in range(times):
            for share, latencies in ((0.0, clean), (HOT_SHARE, beside)):
                lines = _evenly(f"l2-{number}-{share}", share, chance)
                found = _paced(cluster, lines, journal)
                latencies += [a.latency_s for a in found if a.told["entity"] != "hot"]
            outcome.times += 1
        outcome.add(ledger.check(cluster, journal))
    before, with_it = percentile(clean, 0.99), percentile(beside, 0.99)
    outcome.figures |= {"p99 without it, s": before, "p99 of the others beside it, s": with_it}
    # A clean p99 of a few milliseconds is within the noise of a busy machine.
    outcome.require(with_it <= 3 * max(before, 0.05), f"p99 {before:.3f} s became {with_it:.3f} s")
    return outcome


@fault(
    "L3",
    f"every answer of Redis is {DELAY_S * 1000:g} ms late",
    passes="events wait in Kafka, not in memory: workers grow by no more than 40 MiB; all answered",
    times=1,
)
def slow_store(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    with clusters(0, 0) as cluster, proxy(cluster.redis.port) as between:
        for stage in ("ingestion", "decision"):
            for _ in range(2):
                cluster.add_worker(stage, redis_url=between.url)
        cluster.await_healthy()
        with Producer(cluster.kafka, rate=5 * USUAL, seed=chance.randrange(10**6)) as producer:
            time.sleep(5)
            for _ in range(times):
                before = [worker.rss_mb() for worker in cluster.processes]
                between.delay_s = DELAY_S
                deadline = time.monotonic() + SLOW_S
                waiting = 0
                while time.monotonic() < deadline:
                    time.sleep(1)
                    waiting = max(waiting, cluster.behind())
                after = [worker.rss_mb() for worker in cluster.processes]
                between.mend()
                outcome.recovery_s.append(cluster.await_answered(cluster.ends()))
                grown = max(b - a for a, b in zip(before, after, strict=True))
                outcome.figures["MiB more in memory"] = grown
                outcome.figures["records waiting in Kafka at most"] = str(waiting)
                outcome.require(grown <= GROWTH_MIB, f"a worker has grown by {grown:.0f} MiB")
                outcome.times += 1
            producer.stop()
            outcome.add(ledger.check(cluster, producer.journal))
    return outcome


@fault(
    "L4",
    "very many clients, each seen once (a million with --times 2)",
    passes="every client's windows expire, fences do not, and memory falls once they have",
    times=1,
)
def many_keys(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    keys = MANY_KEYS if times > 1 else FEW_KEYS
    with clusters() as cluster:
        empty = _redis_bytes(cluster)
        producer = Producer(cluster.kafka, lines=_once_each(keys))
        while producer.send_next(20_000):
            producer.flush()
        producer.stop()
        cluster.await_settled(1_200)
        full = _redis_bytes(cluster)
        if keys == FEW_KEYS:  # the fold of a million in this process is no part of the fault
            outcome.add(ledger.check(cluster, producer.journal))
        found = list(_scan(cluster, CLIENTS))
        outcome.require(len(found) == keys, f"{len(found)} clients are kept, not {keys}")
        lives = [int(cluster.redis.call("TTL", key)) for key in chance.sample(found, 500)]
        outcome.require(min(lives) > 0, "a client's windows never expire")
        fences = list(_scan(cluster, "fence:*"))
        forever = all(int(cluster.redis.call("TTL", key)) == -1 for key in fences)
        outcome.require(forever, "a fence expires")
        _expire(cluster, found)
        _until(lambda: not any(True for _ in _scan(cluster, CLIENTS)))
        left = _redis_bytes(cluster)
        outcome.figures |= {
            "clients": f"{keys:,}",
            "bytes of Redis a client": (full - empty) / keys,
            "share freed once expired": (full - left) / (full - empty),
        }
        outcome.require(left - empty < (full - empty) / 4, f"{full} bytes fell to {left}")
        outcome.times += 1
    return outcome


def _evenly(prefix: str, hot: float, chance: random.Random) -> Iterator[Line]:
    """Events of a hundred clients, and so large a share of one more."""
    at = datetime.now(UTC) - timedelta(hours=1)
    for number in range(10**9):
        at += timedelta(milliseconds=5)
        client = "hot" if chance.random() < hot else f"cold-{chance.randrange(100)}"
        yield request(f"{prefix}-{number}", client, at, path=f"/{number % 50}")


def _paced(cluster: Cluster, lines: Iterator[Line], journal: Journal) -> list[Answer]:
    """The answers to some seconds of events at the same rate."""
    began_ms = time.time_ns() // 1_000_000
    with Producer(cluster.kafka, rate=3 * USUAL, lines=lines) as producer:
        time.sleep(PHASE_S)
    journal.acked += producer.journal.acked
    cluster.await_settled()
    return [answer for answer in answers(cluster) if answer.arrived_ms >= began_ms + 1_000]


def _once_each(keys: int) -> Iterator[Line]:
    """As many clients, each with one event of the usual traffic."""
    for number, (_, _, line) in enumerate(traffic(1, repeats=0, broken=0, events=keys)):
        client = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        head, _, tail = line.partition(b'"client_ip":"')
        rest = tail[tail.index(b'"') :]
        yield f"1-{number}", client, head + b'"client_ip":"' + client.encode() + rest


def _redis_bytes(cluster: Cluster) -> int:
    """What Redis holds in memory."""
    told = dict(
        line.split(":", 1)
        for line in _text(cluster.redis.call("INFO", "memory")).splitlines()
        if ":" in line
    )
    return int(told["used_memory"])


def _text(told: Any) -> str:  # parsed or not, as the client has it
    if isinstance(told, dict):
        return "\n".join(f"{name}:{value}" for name, value in told.items())
    return told.decode() if isinstance(told, bytes) else str(told)


def _scan(cluster: Cluster, pattern: str) -> Iterator[bytes]:
    cursor = 0
    while True:
        told, keys = cluster.redis.call("SCAN", cursor, "MATCH", pattern, "COUNT", 10_000)
        yield from keys
        cursor = int(told)
        if cursor == 0:
            return


def _expire(cluster: Cluster, keys: list[bytes]) -> None:
    """As if their time to live were over."""
    script = "for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, 1) end"
    for first in range(0, len(keys), 1_000):
        share = keys[first : first + 1_000]
        cluster.redis.call("EVAL", script, len(share), *share)


def _until(holds: Callable[[], bool], within_s: float = 120.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "Redis keeps what has expired"
        time.sleep(0.5)
