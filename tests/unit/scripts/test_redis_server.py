"""The Redis that `up` starts: recognised as ours, and set to keep what it has confirmed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from scripts.stack import redis_server, software
from scripts.stack.pids import PidFolder
from scripts.stack.ports import free_ports
from scripts.stack.settings import CannotStart, LocalStack
from scripts.stack.supervisor import Supervisor


@pytest.fixture
def settings(tmp_path: Path) -> LocalStack:
    return LocalStack(home=tmp_path, redis_port=free_ports(1)[0])


@pytest.fixture
def supervisor(settings: LocalStack) -> Iterator[Supervisor]:
    try:
        store = redis_server.store(settings, software.redis_server())
    except CannotStart as missing:
        pytest.skip(str(missing))
    supervisor = Supervisor(settings.run, lambda _: None)
    supervisor.launch(store)
    supervisor.await_healthy()
    yield supervisor
    supervisor.stop()


def test_it_is_recognised_as_ours(settings: LocalStack, supervisor: Supervisor) -> None:
    assert [entry.name for entry in PidFolder(settings.run).running()] == ["redis"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("appendonly", "yes"),
        ("appendfsync", "everysec"),
        ("maxmemory-policy", "noeviction"),
        ("save", ""),
        ("bind", "127.0.0.1"),
    ],
)
def test_it_keeps_what_it_has_confirmed(
    settings: LocalStack, supervisor: Supervisor, name: str, value: str
) -> None:
    with Redis.from_url(settings.redis, decode_responses=True) as redis:
        assert redis.config_get(name) == {name: value}


def test_what_was_written_is_there_after_a_restart(
    settings: LocalStack, supervisor: Supervisor
) -> None:
    with Redis.from_url(settings.redis, decode_responses=True) as redis:
        redis.set("feature", "kept")
    (running,) = supervisor.running
    supervisor.stop()

    supervisor.launch(running.child)
    supervisor.await_healthy()

    with Redis.from_url(settings.redis, decode_responses=True) as redis:
        assert redis.get("feature") == "kept"
