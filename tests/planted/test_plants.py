"""Each fault can still be planted, and the tests that are meant to catch it exist."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.planted.planting import ROOT, applies
from tests.planted.plants import PLANTS, Plant


@pytest.mark.parametrize("fault", PLANTS, ids=lambda fault: fault.name)
def test_a_fault_has_exactly_one_place(fault: Plant) -> None:
    assert applies(fault, (ROOT / fault.file).read_text())


def test_what_catches_a_fault_exists() -> None:
    tests = sorted({test for fault in PLANTS for test in fault.caught_by})

    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", *tests]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_names_tell_faults_apart() -> None:
    assert len({fault.name for fault in PLANTS}) == len(PLANTS)
