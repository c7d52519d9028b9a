"""`make up`'s command as a process of its own: what a user sees, and what is left afterwards."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.stack import software
from scripts.stack.health import http_answers
from scripts.stack.pids import PidFolder, is_running
from scripts.stack.ports import free_ports, is_free
from scripts.stack.settings import ROOT, CannotStart
from tests.e2e.commands import Command

PORTS = ("KAFKA", "KAFKA_CONTROLLER", "REDIS", "INGESTION", "DECISION", "API")
CHILDREN = {"kafka", "redis", "ingestion", "decision", "api"}
WITHIN_S = 60.0


@dataclass(frozen=True)
class Up(Command):
    """A run of the command, with its folder as its home and on ports of its own."""

    ports: dict[str, int]

    @property
    def complaints(self) -> str:
        """The lines that tell what went wrong."""
        lines = self.said.splitlines(keepends=True)
        return "".join(line for line in lines if line.startswith(("centinela: ", "Traceback")))

    @property
    def pids(self) -> PidFolder:
        return PidFolder(self.folder / "run")

    def pid(self, name: str) -> int | None:
        return next((entry.pid for entry in self.pids.running() if entry.name == name), None)

    def answers(self, port: str, path: str) -> bool:
        return http_answers(f"http://127.0.0.1:{self.ports[port]}{path}")()

    def assert_nothing_is_left(self) -> None:
        assert self.pids.running() == []
        assert [name for name, port in self.ports.items() if not is_free(port)] == []


@contextmanager
def started(home: Path, **environment: str) -> Iterator[Up]:
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    settings = {f"CENTINELA_{name}_PORT": str(port) for name, port in ports.items()}
    inherited = {name: value for name, value in os.environ.items() if name != "CENTINELA_STARTED"}
    with (home / "stdout").open("wb") as shown, (home / "stderr").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "scripts.cli", "up"],
            cwd=ROOT,
            env={**inherited, **settings, "CENTINELA_HOME": str(home), "STACK": "native"}
            | environment,
            stdout=shown,
            stderr=said,
        )
    try:
        yield Up(process, home, WITHIN_S, ports)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(WITHIN_S)
        PidFolder(home / "run").end_all()


@pytest.fixture(scope="module", autouse=True)
def _programs() -> None:
    """What the native stack runs on, fetched where it is missing."""
    if os.environ.get("STACK") == "docker":
        pytest.skip("STACK=docker leaves out native")
    try:
        software.redis_server()
        software.kafka_jars(software.java())
    except CannotStart as error:
        pytest.skip(f"native: {error}")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One run for the tests of a stack that is there; the last of them ends it."""
    with started(tmp_path_factory.mktemp("up")) as up:
        up.await_line("Ctrl-C stops everything")
        yield up


def test_the_first_detection_is_shown(up: Up) -> None:
    table = [line for line in up.shown.splitlines() if "/../../../../etc/passwd" in line]

    assert len(table) == 1
    assert "198.51.100.24" in table[0]
    assert "block" in table[0]
    assert "first detection after" in up.shown
    assert "missing 0" in up.shown
    assert " s  topics are there" not in up.shown
    assert f"http://127.0.0.1:{up.ports['API']}/docs" in up.said


def test_it_stays_up_with_all_that_it_has_started(up: Up) -> None:
    time.sleep(1.0)

    assert up.process.poll() is None
    assert {entry.name for entry in up.pids.running()} == {"up", *CHILDREN}
    assert up.answers("API", "/ready")
    assert up.complaints == ""


def test_a_killed_child_is_one_line_and_is_started_again(up: Up) -> None:
    before, said = up.pid("decision"), up.said
    assert before is not None

    os.kill(before, signal.SIGKILL)
    up.wait_until(lambda: up.pid("decision") not in (None, before))
    up.wait_until(lambda: up.answers("DECISION", "/health"))

    told = up.said.removeprefix(said)
    assert told == "decision was killed by SIGKILL; starting it again in 0.5 s\n"
    assert up.complaints == ""


def test_ctrl_c_ends_everything_in_order(up: Up) -> None:
    children = [entry for entry in up.pids.running() if entry.name in CHILDREN]

    up.process.send_signal(signal.SIGINT)

    assert up.ended() == 0
    assert len(children) == len(CHILDREN)
    assert not any(map(is_running, children))
    assert "all processes have ended" in up.said.splitlines()[-1]
    assert up.complaints == ""
    up.assert_nothing_is_left()


def test_ctrl_c_in_the_middle_of_starting_ends_everything_too(tmp_path: Path) -> None:
    with started(tmp_path) as up:
        up.wait_until(lambda: up.pid("kafka") is not None)
        up.process.send_signal(signal.SIGINT)

        assert up.ended() == 0
        assert "stopping" in up.said
        assert up.complaints == ""
        up.assert_nothing_is_left()


def test_a_child_that_is_killed_while_starting_is_one_line(tmp_path: Path) -> None:
    with started(tmp_path) as up:
        up.wait_until(lambda: up.pid("kafka") is not None)
        os.kill(up.pid("kafka") or 0, signal.SIGKILL)

        assert up.ended() == 2
        assert up.complaints.startswith("centinela: kafka was killed by SIGKILL while starting: ")
        assert up.complaints.count("\n") == 1
        up.assert_nothing_is_left()


@pytest.mark.parametrize("name", ["KAFKA", "API"])
def test_a_port_in_use_is_one_line_and_nothing_is_started(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        with started(tmp_path, **{f"CENTINELA_{name}_PORT": str(port)}) as up:
            assert up.ended() == 2

    assert f"port {port} " in up.complaints
    assert f"in use by pid {os.getpid()}" in up.complaints
    assert f"set CENTINELA_{name}_PORT or stop it" in up.complaints
    assert up.complaints.count("\n") == 1
    assert up.shown == ""
    assert up.pids.running() == []
