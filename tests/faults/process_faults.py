"""P: what happens to our own processes."""

from __future__ import annotations

import random
import time

from tests.faults import ledger
from tests.faults.catalogue import Outcome, fault
from tests.faults.cluster import Cluster, Clusters
from tests.faults.journal import Producer
from tests.faults.processes import Process

RATE = 600.0
"""Events a second while faults happen: two cores run everything."""


@fault(
    "P1",
    "kill -9 an ingestion worker mid-batch",
    passes="nothing missing, nothing twice, state exact",
    times=60,
    quick=6,
)
def kill_ingestion(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    return _kills(clusters, chance, times, "ingestion")


def _kills(clusters: Clusters, chance: random.Random, times: int, stage: str) -> Outcome:
    """Kill workers of a stage in turn, each started again at once, under a steady rate."""
    outcome = Outcome()
    with (
        clusters() as cluster,
        Producer(cluster.kafka, rate=RATE, seed=chance.randrange(10**6)) as producer,
    ):
        for number in range(times):
            time.sleep(chance.uniform(0.2, 1.2))
            kill_and_restart(cluster, cluster.worker(stage, number % 2), outcome)
        producer.stop()
        outcome.add(ledger.check(cluster, producer.journal))
    return outcome


def kill_and_restart(cluster: Cluster, worker: Process, outcome: Outcome) -> None:
    """kill -9, start again at once, and time until all that waited then is answered."""
    worker.kill()
    ended = time.monotonic()
    waiting = cluster.ends()
    worker.start()
    cluster.await_answered(waiting)
    outcome.recovery_s.append(time.monotonic() - ended)
    outcome.times += 1
