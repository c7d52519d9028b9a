"""The shipped champion of the access pack, loaded once."""

from __future__ import annotations

import pytest

from models.artifacts import Champion, champion_of


@pytest.fixture(scope="session")
def champion() -> Champion:
    return champion_of("access")
