"""The faults that take a few minutes together, on every change; the rest is run by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scripts.stack.settings import CannotStart
from tests.faults.catalogue import Fault, load, try_out
from tests.faults.cluster import Clusters, factory
from tests.faults.report import line_of, row_of
from tests.faults.servers import servers

QUICK = [fault for fault in load().values() if fault.quick]


@pytest.fixture(scope="module")
def clusters() -> Iterator[Clusters]:
    """Kafka and Redis as processes of this machine, for all faults together."""
    try:
        with servers() as running:
            yield factory(running)
    except CannotStart as missing:
        pytest.skip(f"faults: {missing}")


@pytest.mark.parametrize("chosen", QUICK, ids=[fault.id for fault in QUICK])
def test_fault(clusters: Clusters, chosen: Fault) -> None:
    outcome = try_out(chosen, clusters, seed=1, quick=True)

    assert outcome.passed, line_of(row_of(chosen, outcome, 0.0))
