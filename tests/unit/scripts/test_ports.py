"""Ports, space and addresses: what is in the way is named before anything starts."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scripts.stack.health import http_answers, kafka_answers, redis_answers
from scripts.stack.ports import free_ports, is_free, require_free_ports
from scripts.stack.settings import CannotStart, LocalStack, require_space

PORTS = (
    "kafka_port",
    "kafka_controller_port",
    "redis_port",
    "ingestion_port",
    "decision_port",
    "api_port",
)


def on_free_ports(**fixed: int) -> LocalStack:
    free = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    return LocalStack.model_validate({**free, **fixed})


def test_free_ports_are_fine() -> None:
    require_free_ports(on_free_ports())


def test_a_free_port_is_lent_to_no_connection_before_a_server_takes_it() -> None:
    ports = free_ports(50)

    lent = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]
    assert len(set(ports)) == 50
    assert max(ports) < int(lent)
    assert all(map(is_free, ports))


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("setting", PORTS)
def test_a_taken_port_is_told_with_its_holder_and_its_setting(setting: str, address: str) -> None:
    with socket.create_server((address, 0)) as server:
        port = server.getsockname()[1]

        with pytest.raises(CannotStart) as told:
            require_free_ports(on_free_ports(**{setting: port}))

    assert f"port {port} (" in str(told.value)
    assert f"in use by pid {os.getpid()} (" in str(told.value)
    assert f"set CENTINELA_{setting.upper()} or stop it" in str(told.value)


def test_the_auditors_port_is_needed_where_there_is_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = on_free_ports(auditor_port=server.getsockname()[1])
        require_free_ports(settings)

        with pytest.raises(CannotStart, match="metrics of the auditor"):
            require_free_ports(settings.model_copy(update={"auditor": True}))


def test_the_recorders_port_is_needed_where_answers_are_recorded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = on_free_ports(recorder_port=server.getsockname()[1])
        require_free_ports(settings)

        with pytest.raises(CannotStart, match="metrics of the recorder"):
            require_free_ports(settings.model_copy(update={"postgres": "postgresql://x"}))


def test_containers_need_only_the_ports_that_they_publish() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        require_free_ports(on_free_ports(redis_port=port).model_copy(update={"stack": "docker"}))
        with pytest.raises(CannotStart, match=rf"port {port} \(API\)"):
            require_free_ports(on_free_ports(api_port=port).model_copy(update={"stack": "docker"}))


def test_space_is_enough(tmp_path: Path) -> None:
    require_space(tmp_path / "new", needed_mb=1)

    assert (tmp_path / "new").is_dir()


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"\d+ MB are free under .* 1000000000 MB are needed"):
        require_space(tmp_path, needed_mb=1_000_000_000)


def test_a_home_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").touch()

    with pytest.raises(CannotStart, match="home cannot be used: File exists; set CENTINELA_HOME"):
        require_space(tmp_path / "home")


@pytest.mark.parametrize(
    "said", [b"", b"-LOADING Redis is loading", b"HTTP/1.1 400 Bad Request\r\n\r\n"]
)
def test_a_server_that_says_something_else_is_not_healthy(said: bytes) -> None:
    for ask in (redis_answers, kafka_answers):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            server.settimeout(5)
            healthy = _answer_once(server, said, ask(port))

        assert not healthy


def test_no_server_is_not_healthy() -> None:
    (port,) = free_ports(1)

    assert not redis_answers(port)()
    assert not kafka_answers(port)()
    assert not http_answers(f"http://127.0.0.1:{port}/ready")()


def test_a_real_redis_is_healthy(redis_url: str) -> None:
    port = int(redis_url.rpartition(":")[2].partition("/")[0])

    assert redis_answers(port)()
    assert not kafka_answers(port)()


def _answer_once(server: socket.socket, said: bytes, asks: Callable[[], bool]) -> bool:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(asks)
        connection, _ = server.accept()
        with connection:
            connection.sendall(said)
        return asked.result()
