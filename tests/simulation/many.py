"""Many seeds over several processes."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.simulation.chance import SITES
from tests.simulation.run import Report, run_seed

BLOCK = 50
"""Seeds that a process runs at a time."""


@dataclass(slots=True)
class Summary:
    """What came of many seeds."""

    seeds: int = 0
    events: int = 0
    failed: dict[int, list[str]] = field(default_factory=dict)
    fired: Counter[str] = field(default_factory=Counter)

    def add(self, report: Report) -> None:
        self.seeds += 1
        self.events += report.events
        self.fired.update(report.fired)
        if report.failures:
            self.failed[report.seed] = report.failures

    def merge(self, other: Summary) -> None:
        self.seeds += other.seeds
        self.events += other.events
        self.fired.update(other.fired)
        self.failed |= other.failed

    @property
    def unmet(self) -> list[str]:
        """The sites that no seed has reached."""
        return [site for site in SITES if not self.fired[site]]


def run_block(seeds: range) -> Summary:
    summary = Summary()
    for seed in seeds:
        summary.add(run_seed(seed))
    return summary


def run_all(seeds: range, jobs: int) -> Iterator[Summary]:
    """A summary of each block, as it ends."""
    blocks = [
        range(at, min(at + BLOCK, seeds.stop)) for at in range(seeds.start, seeds.stop, BLOCK)
    ]
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(run_block, blocks)


def replay_command(seed: int) -> str:
    return f"python -m tests.simulation --seed {seed} --trace"
