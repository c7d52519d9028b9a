"""The faults that take a few minutes together, on every change; the rest is run by hand."""

from __future__ import annotations

import pytest

from tests.faults.catalogue import Fault, load, try_out
from tests.faults.cluster import Clusters
from tests.faults.report import line_of, row_of

QUICK = [fault for fault in load().values() if fault.quick]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("chosen", QUICK, ids=[fault.id for fault in QUICK])
def test_fault(clusters: Clusters, chosen: Fault) -> None:
    outcome = try_out(chosen, clusters, seed=1, quick=True)

    assert outcome.passed, line_of(row_of(chosen, outcome, 0.0))
