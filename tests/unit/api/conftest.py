from __future__ import annotations

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict


@pytest.fixture(autouse=True)
def journal() -> Iterator[list[EventDict]]:
    """What is logged, as fields; nothing is printed."""
    with capture_logs() as lines:
        yield lines
