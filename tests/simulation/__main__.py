"""Runs seeds and says what came of them; see docs/explanation/simulation.md."""

from __future__ import annotations

import argparse
import os
import sys
import time

from tests.simulation.chance import SITES
from tests.simulation.many import Summary, replay_command, run_all
from tests.simulation.run import run_seed

SHOWN = 20
"""Failures of one seed that are told."""
TOLD = 500
"""Characters of a failure, where many seeds are run."""


def say(line: str, end: str = "\n") -> None:
    sys.stdout.write(line + end)
    sys.stdout.flush()


def show_one(seed: int, *, tracing: bool) -> int:
    report = run_seed(seed, tracing=tracing)
    for line in report.trace:
        say(line)
    say(f"seed {seed}: {report.events} events, log {report.digest}")
    for failure in report.failures[:SHOWN] or ["every promise was kept"]:
        say(f"  {failure}")
    return 1 if report.failures else 0


def show_all(seeds: range, jobs: int) -> int:
    total, started = Summary(), time.monotonic()
    for summary in run_all(seeds, jobs):
        total.merge(summary)
        for seed, failures in sorted(summary.failed.items()):
            say(f"{replay_command(seed)}\n  {failures[0][:TOLD]}")
        rate = total.seeds / (time.monotonic() - started)
        line = f"{total.seeds:,} of {len(seeds):,} seeds, {rate:.0f}/s, {len(total.failed)} failed"
        say(line, end="\r" if sys.stdout.isatty() else "\n")
    for site in SITES:
        say(f"{total.fired[site]:>12,}  {site}")
    say(
        f"{total.seeds:,} seeds, {total.events:,} events, "
        f"{time.monotonic() - started:.0f} s on {jobs} processes: {len(total.failed)} failed, "
        f"{len(total.unmet)} sites not reached"
    )
    return 1 if total.failed or total.unmet else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="run one seed")
    parser.add_argument("--trace", action="store_true", help="say all that happens in it")
    parser.add_argument("--seeds", type=int, default=2000, help="run so many seeds")
    parser.add_argument("--first", type=int, default=0, help="from this one on")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    given = parser.parse_args()
    if given.seed is not None:
        return show_one(given.seed, tracing=given.trace)
    return show_all(range(given.first, given.first + given.seeds), given.jobs)


if __name__ == "__main__":
    sys.exit(main())
