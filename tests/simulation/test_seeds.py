"""Thousands of runs of the real loop, each with its own faults, hold every promise."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.simulation.chance import SITES
from tests.simulation.clock import Stuck, run_virtually
from tests.simulation.found import FOUND
from tests.simulation.many import Summary, replay_command, run_all
from tests.simulation.run import run_seed

ROOT = Path(__file__).parents[2]
SEEDS = 2_000
WITH_STANDINGS = 22
"""A seed that leaves several entities with an action in force."""


@pytest.fixture(scope="module")
def summary() -> Summary:
    """What came of the seeds of this module, run on all cores."""
    summary = Summary()
    for block in run_all(range(SEEDS), os.cpu_count() or 1):
        summary.merge(block)
    return summary


def told(seed: int, failures: Sequence[str]) -> str:
    return f"{failures[:3]}\nsee it happen: {replay_command(seed)}"


@pytest.mark.timeout(900)
def test_every_promise_is_kept(summary: Summary) -> None:
    assert summary.seeds == SEEDS
    assert not summary.failed, "\n".join(told(*failed) for failed in summary.failed.items())


@pytest.mark.parametrize("seed", FOUND, ids=str)
def test_what_was_found_once_is_mended(seed: int) -> None:
    report = run_seed(seed)

    assert not report.failures, told(seed, report.failures)


@pytest.mark.timeout(900)
def test_some_seeds_reach_every_site(summary: Summary) -> None:
    fired = summary.fired
    further = iter(range(SEEDS, 2 * SEEDS))
    while unmet := [site for site in SITES if not fired[site]]:
        assert (seed := next(further, None)) is not None, unmet
        fired.update(run_seed(seed).fired)


@pytest.mark.parametrize("hashing", ["0", "1"])
def test_a_seed_is_the_same_run_in_every_process(hashing: str) -> None:
    report = run_seed(WITH_STANDINGS)

    command = [sys.executable, "-m", "tests.simulation", "--seed", str(WITH_STANDINGS)]
    environment = os.environ | {"PYTHONHASHSEED": hashing}
    ran = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )

    assert report.digest in ran.stdout


def test_a_trace_tells_what_happened() -> None:
    report = run_seed(11, tracing=True)

    assert any("commits" in line for line in report.trace)
    assert report.digest == run_seed(11).digest


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


def test_a_run_in_which_nothing_can_happen_any_more_is_noticed() -> None:
    with pytest.raises(Stuck, match="nothing is left to happen"):
        run_virtually(forever(), random.Random(0))
