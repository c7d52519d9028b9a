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
FAILED = 1
"""pytest's exit code where tests ran and some failed; others mean that none could run."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a fault.

    Args:
        missed_by: Tests that passed, or could not run, with the fault planted.
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


def run_tests(tree: Path, tests: Sequence[str]) -> int:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    quiet = subprocess.DEVNULL
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONHASHSEED"}
    ran = subprocess.run(
        command, cwd=tree, env=environment, stdout=quiet, stderr=quiet, check=False
    )
    return ran.returncode


def plant(fault: Plant, tree: Path) -> Outcome:
    """Plants one fault, runs each of its tests, and takes the fault out again.

    Raises:
        ValueError: The patch does not apply.
    """
    started = time.monotonic()
    file, sound = tree / fault.file, ROOT / fault.file
    text = file.read_text()
    if not applies(fault, text):
        raise ValueError(f"{fault.name}: has not one place in {fault.file} any more")
    file.write_text(text.replace(fault.old, fault.new))
    try:
        missed = [test for test in fault.caught_by if run_tests(tree, [test]) != FAILED]
    finally:
        shutil.copy2(sound, file)
    return Outcome(fault, tuple(missed), time.monotonic() - started)
