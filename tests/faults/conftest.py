"""Kafka and Redis as processes of this machine, once for all fault tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scripts.stack.settings import CannotStart
from tests.faults.cluster import Clusters, factory
from tests.faults.servers import servers


@pytest.fixture(scope="session")
def clusters() -> Iterator[Clusters]:
    """The factory that faults are given; skipped with what the machine lacks."""
    try:
        with servers() as running:
            yield factory(running)
    except CannotStart as missing:
        pytest.skip(f"faults: {missing}")
