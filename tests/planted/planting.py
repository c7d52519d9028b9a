"""Plants faults in a copy of the tree and looks whether the tests see them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.planted.plants import Plant

ROOT = Path(__file__).parents[2]
COPIED = ("feature_store", "models", "producer", "stream_agents", "api", "scripts", "tests")
BESIDE = ("pyproject.toml", "README.md")
PASSED, FAILED = 0, 1
"""pytest's exit codes where tests ran; others mean that they could not."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a fault.

    Args:
        missed_by: Tests that passed with the fault planted.
    """

    plant: Plant
    missed_by: tuple[str, ...]
    seconds: float


def applies(plant: Plant, text: str) -> bool:
    """Whether a patch has exactly one place to go."""
    return text.count(plant.old) == 1 and plant.old != plant.new


def copy_tree(to: Path) -> None:
    """Copies the code, times and compiled kernels with it, so that nothing is compiled again."""
    for folder in COPIED:
        shutil.copytree(ROOT / folder, to / folder, ignore=shutil.ignore_patterns("target"))
    for file in BESIDE:
        shutil.copy2(ROOT / file, to / file)
    (to / ".venv").symlink_to(ROOT / ".venv")


def run_tests(tree: Path, tests: Sequence[str]) -> str:
    """Runs some tests; returns what pytest says of those that failed, empty if none did.

    Raises:
        RuntimeError: pytest could not run them.
    """
    options = ["-q", "--tb=no", "-rf", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONHASHSEED"}
    ran = subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    if ran.returncode not in (PASSED, FAILED):
        raise RuntimeError(f"pytest ended with {ran.returncode}: {ran.stdout[-2000:]}")
    return ran.stdout if ran.returncode == FAILED else ""


def plant(fault: Plant, tree: Path) -> Outcome:
    """Plants one fault, runs its tests, and takes the fault out again.

    Raises:
        ValueError: The patch does not apply.
    """
    started = time.monotonic()
    file = tree / fault.file
    text, times = file.read_text(), file.stat()
    if not applies(fault, text):
        raise ValueError(f"{fault.name}: has not one place in {fault.file} any more")
    file.write_text(text.replace(fault.old, fault.new))
    try:
        said = run_tests(tree, fault.caught_by)
    finally:
        file.write_text(text)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    missed = tuple(test for test in fault.caught_by if f"FAILED {test}" not in said)
    return Outcome(fault, missed, time.monotonic() - started)
