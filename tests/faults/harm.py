"""Whether what came from outside has harmed one of our processes, or held it up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tests.faults.catalogue import Outcome
from tests.faults.cluster import Cluster
from tests.faults.events import deliver, just_now, request


def pids_of(cluster: Cluster) -> dict[str, int]:
    """Each process of ours, and which one it is."""
    return {process.name: process.pid for process in cluster.processes}


def after_the_last(cluster: Cluster, name: str) -> float:
    """Seconds until an event of each partition that comes now is answered."""
    deliver(cluster, [request(f"{name}-{n}", f"{name}-{n}", just_now()) for n in range(40)])
    return cluster.await_answered(cluster.ends())


def require_unharmed(outcome: Outcome, cluster: Cluster, pids: Mapping[str, int]) -> None:
    """Every process is the one that was started, and has met no fault of ours."""
    for process in cluster.processes:
        alive = process.is_running and process.pid == pids[process.name]
        outcome.require(alive, f"{process.name} has ended: {process.last_words()}")
        worse = _worse_than_warnings(process.said().splitlines())
        outcome.require(not worse, f"{process.name} says {[line[:300] for line in worse[:2]]}")


def _worse_than_warnings(lines: Iterable[str]) -> list[str]:
    # The group's coordinator moves in while the first worker starts; Faust says so as an error.
    return [
        line
        for line in lines
        if '"level":"error"' in line and "Coordinator" not in line and "coordinator" not in line
    ]
