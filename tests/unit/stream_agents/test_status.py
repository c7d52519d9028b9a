"""What an agent answers on its port of its own."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import CollectorRegistry, Gauge

from stream_agents.status import serve

HOST = "127.0.0.2"
"""Loopback, and yet not the address that is listened on unless another is set."""


@contextmanager
def served(*, healthy: bool = True) -> Iterator[str]:
    registry = CollectorRegistry()
    Gauge("answer", "Of all.", registry=registry).set(42)
    server = serve(HOST, 0, registry, lambda: healthy)
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def asked(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_figures_are_answered_at_the_address_that_is_set() -> None:
    with served() as address:
        status, text = asked(f"{address}/metrics")

    assert status == 200
    assert "answer 42.0" in text.splitlines()


@pytest.mark.parametrize(("healthy", "status"), [(False, 503), (True, 200)])
def test_health_is_told_by_the_status(healthy: bool, status: int) -> None:
    with served(healthy=healthy) as address:
        assert asked(f"{address}/health")[0] == status


def test_there_is_nothing_else() -> None:
    with served() as address:
        assert asked(f"{address}/etc/passwd") == (404, "there are /metrics and /health\n")
