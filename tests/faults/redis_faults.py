"""R: what happens to Redis, and on the way to it."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.stack import redis_server, software
from scripts.stack.ports import free_ports
from scripts.stack.settings import LocalStack
from tests.faults import ledger
from tests.faults.catalogue import Outcome, fault
from tests.faults.cluster import Cluster, Clusters
from tests.faults.journal import Producer
from tests.faults.process_faults import RATE
from tests.faults.processes import http_status
from tests.faults.proxy import Proxy, proxy
from tests.faults.servers import RedisServer, redis_of
from tests.faults.supervising import supervised

COMMITS = b"EVALSHA"
READY_WITHIN_S = 30.0
GROWTH_MB = 64.0


@contextmanager
def flowing(
    clusters: Clusters, chance: random.Random, outcome: Outcome, redis_url: str = ""
) -> Iterator[Cluster]:
    """A cluster under a steady rate; its books are checked at the end."""
    with (
        clusters(redis_url=redis_url) as cluster,
        Producer(cluster.kafka, rate=RATE, seed=chance.randrange(10**6)) as producer,
    ):
        time.sleep(chance.uniform(0.5, 1.5))
        yield cluster
        # Every partition is written to after the last fault: that is when a loss is noticed.
        time.sleep(1.0)
        producer.stop()
        outcome.add(ledger.check(cluster, producer.journal))


def recover(cluster: Cluster, outcome: Outcome, within_s: float = 90.0) -> None:
    """The fault has ended: time until all that waits now is answered."""
    outcome.recovery_s.append(cluster.await_answered(cluster.ends(), within_s))
    outcome.times += 1


@fault(
    "R1",
    "Redis killed with -9 and started again, after 1, 3 and 30 s",
    passes="the workers wait, and go on; state exact",
    times=6,
)
def restart(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    with flowing(clusters, chance, outcome) as cluster, supervised(cluster) as watch:
        for number in range(times):
            cluster.redis.kill()
            time.sleep(30.0 if number % 6 == 5 else (1.0, 3.0)[number % 2])
            cluster.redis.start()
            recover(cluster, outcome)
            time.sleep(chance.uniform(0.5, 1.5))
        outcome.require(not watch.ends, f"workers ended: {watch.ends}: {watch.words}")
    return outcome


@fault(
    "R2",
    "Redis loses its last second: the append-only file cut",
    passes="noticed by the fence, folded again; state exact",
    times=10,
    quick=2,
)
def lose_last_second(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome, lost = Outcome(), 0
    with flowing(clusters, chance, outcome) as cluster:
        for _ in range(times):
            kept = cluster.redis.aof_bytes()
            time.sleep(1.0)
            cluster.redis.kill()
            # Anywhere within a command: a power cut knows no borders either.
            lost += cluster.redis.truncate_aof(kept + chance.randrange(200))
            cluster.redis.start()
            recover(cluster, outcome)
            time.sleep(chance.uniform(0.5, 1.5))
    outcome.require(lost > 0, "nothing was lost")
    outcome.figures["bytes of the file lost"] = lost
    return outcome


@fault(
    "R3",
    "FLUSHALL in mid-stream",
    passes="noticed by the fence; the whole log folded again; state exact",
    times=6,
    quick=1,
)
def flush(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    with flowing(clusters, chance, outcome) as cluster:
        for _ in range(times):
            cluster.redis.flushall()
            recover(cluster, outcome)
            time.sleep(chance.uniform(0.5, 1.5))
        outcome.figures["alarms of the fence"] = sum(
            process.said().count('"fence moved by another, copy dropped"')
            for process in cluster.processes
        )
    return outcome


@fault(
    "R4",
    "Redis full: maxmemory reached, noeviction",
    passes="the workers wait; `/readyz` of the API is red; state exact",
    times=5,
    quick=1,
)
def fill(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome, statuses = Outcome(), set[int]()
    with (
        clusters(with_api=True) as cluster,
        supervised(cluster) as watch,
        Producer(cluster.kafka, rate=RATE, seed=chance.randrange(10**6)) as producer,
    ):
        time.sleep(1.0)
        for _ in range(times):
            cluster.redis.config("maxmemory", 1_000_000)
            time.sleep(chance.uniform(2.0, 5.0))
            statuses.add(http_status(f"{cluster.api_url}/readyz"))
            cluster.redis.config("maxmemory", 0)
            recover(cluster, outcome)
        time.sleep(1.0)
        producer.stop()
        outcome.add(ledger.check(cluster, producer.journal))
        outcome.require(not watch.ends, f"processes ended: {watch.ends}: {watch.words}")
    outcome.require(statuses == {503}, f"/readyz said {statuses} while Redis was full")
    return outcome


@fault(
    "R5",
    "the way to Redis cut, half-open, or slow by 500 ms",
    passes="the workers wait, and go on; memory flat; state exact",
    times=12,
)
def disturb_network(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    with clusters(0, 0) as probe:
        port = probe.redis.port
    with (
        proxy(port) as between,
        flowing(clusters, chance, outcome, between.url) as cluster,
        supervised(cluster) as watch,
    ):
        before = [process.rss_mb() for process in cluster.processes]
        for number in range(times):
            _disturb(between, number)
            time.sleep(chance.uniform(2.0, 6.0))
            between.mend()
            recover(cluster, outcome)
        grown = max(p.rss_mb() - mb for p, mb in zip(cluster.processes, before, strict=True))
        outcome.figures["most memory gained, MB"] = grown
        outcome.require(grown < GROWTH_MB, f"a process grew by {grown:.0f} MB")
        outcome.require(not watch.ends, f"workers ended: {watch.ends}: {watch.words}")
    return outcome


def _disturb(between: Proxy, number: int) -> None:
    if number % 3 == 0:
        between.cut_off()
    elif number % 3 == 1:
        between.silent = True
    else:
        between.delay_s = 0.5


@fault(
    "R6",
    "failover to an older replica",
    passes="the older fence is noticed, the rest folded again; state exact",
    times=4,
)
def fail_over(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    with clusters(0, 0) as probe:
        servers, first = probe.servers, probe.redis
    try:
        with proxy(first.port) as between, flowing(clusters, chance, outcome, between.url) as on:
            for number in range(times):
                older = _replica(on, servers.home / f"replica-{number}")
                time.sleep(chance.uniform(0.5, 2.0))
                between.switch(older.port)
                retired, servers.redis = servers.redis, older
                if retired is not first:
                    retired.kill()
                recover(on, outcome)
                time.sleep(chance.uniform(0.5, 1.5))
    finally:
        if servers.redis is not first:
            servers.redis.end()
            servers.redis = first
    return outcome


def _replica(cluster: Cluster, home: Path) -> RedisServer:
    """A Redis with what the one in use holds now, and nothing of what comes later."""
    (port,) = free_ports(1)
    settings = LocalStack(home=home, redis_port=port)
    replica = redis_of(redis_server.store(settings, software.redis_server()), settings)
    replica.start()
    replica.call("REPLICAOF", "127.0.0.1", cluster.redis.port)
    deadline = time.monotonic() + 120
    while replica.call("INFO", "replication")["master_link_status"] != "up":
        assert time.monotonic() < deadline, "the replica does not follow"
        time.sleep(0.05)
    replica.call("REPLICAOF", "NO", "ONE")
    return replica


SPOIL = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('RENAME', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[1], 'not', 'ours')
return 1
"""
RESTORE = "redis.call('DEL', KEYS[1]); return redis.call('RENAME', KEYS[2], KEYS[1])"


@fault(
    "R7",
    "scripts forgotten; a fence or a ring of ids replaced by a hash, workers killed meanwhile",
    passes="a clear error, then as before; nothing half written",
    times=9,
    quick=3,
)
def spoil_keys(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    with flowing(clusters, chance, outcome) as cluster:
        for number in range(times):
            if number % 3 == 0:
                cluster.redis.call("SCRIPT", "FLUSH")
            else:
                stage = ("access", "access.decisions")[number % 2]
                _spoil(cluster, ("fence", "seen")[number % 3 - 1], stage)
            recover(cluster, outcome)
            time.sleep(chance.uniform(0.3, 1.0))
        said = sum("WRONGTYPE" in process.said() for process in cluster.processes)
        outcome.require(times < 2 or said > 0, "no worker told of the wrong type")
    return outcome


def _spoil(cluster: Cluster, kind: str, stage: str) -> None:
    """The keys are hashes for two seconds; their readers are killed, and find them mended."""
    keys = [f"{kind}:{{{stage}.{partition}}}" for partition in range(cluster.partitions)]
    spoilt = [key for key in keys if cluster.redis.call("EVAL", SPOIL, 2, key, f"{key}.aside")]
    time.sleep(2.0)
    readers = cluster.workers["ingestion" if stage == "access" else "decision"]
    for worker in readers:
        worker.kill()
    for key in spoilt:
        cluster.redis.call("EVAL", RESTORE, 2, key, f"{key}.aside")
    for worker in readers:
        worker.start(wait=False)
    for worker in readers:
        worker.await_healthy()


@fault(
    "R8",
    "the reply to a commit lost after Redis carried it out",
    passes="recognised by the fence: not folded twice; state exact",
    times=40,
    quick=5,
)
def lose_replies(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    with clusters(0, 0) as probe:
        port = probe.redis.port
    with proxy(port) as between, flowing(clusters, chance, outcome, between.url) as cluster:
        while between.lost < times:
            between.lose_replies(1, COMMITS)
            time.sleep(chance.uniform(0.1, 0.4))
        recover(cluster, outcome)
    outcome.times = between.lost
    return outcome
