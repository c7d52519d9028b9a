"""Each fault can still be planted, and the tests that are meant to catch it exist."""

from __future__ import annotations

import re

import pytest

from tests.planted.planting import ROOT, applies
from tests.planted.plants import PLANTS, Plant


@pytest.mark.parametrize("fault", PLANTS, ids=lambda fault: fault.name)
def test_a_fault_has_exactly_one_place(fault: Plant) -> None:
    assert applies(fault, (ROOT / fault.file).read_text())


@pytest.mark.parametrize("fault", PLANTS, ids=lambda fault: fault.name)
def test_what_catches_a_fault_exists(fault: Plant) -> None:
    for test in fault.caught_by:
        file, _, name = test.partition("::")
        function = name.partition("[")[0]

        assert re.search(rf"def {function}\(", (ROOT / file).read_text()), test


def test_names_tell_faults_apart() -> None:
    assert len({fault.name for fault in PLANTS}) == len(PLANTS)
