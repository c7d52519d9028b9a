"""The servers that tests ask for: started once for a run, skipped with what is missing."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests import stacks
from tests.stacks import Postgres, Stack

STACKS = {"docker": stacks.docker, "native": stacks.native}


@pytest.fixture(scope="session", params=sorted(STACKS))
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A Kafka and a Redis: the images that users run, or the processes that `up` starts.

    Containers where there is Docker, else processes; `STACK` in the environment takes `docker`,
    `native` or `both`.
    """
    wanted = os.environ.get("STACK") or ("docker" if stacks.has_images() else "native")
    if wanted not in ("both", request.param):
        pytest.skip(f"STACK={wanted} leaves out {request.param}")
    try:
        with STACKS[request.param]() as running:
            yield running
    except stacks.Missing as missing:
        pytest.skip(f"{request.param}: {missing}")


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis alone, for the tests that need no Kafka."""
    try:
        with stacks.native_redis() as url:
            yield url
    except stacks.Missing as missing:
        pytest.skip(f"redis: {missing}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL alone."""
    try:
        with stacks.postgres() as running:
            yield running
    except stacks.Missing as missing:
        pytest.skip(f"postgres: {missing}")
