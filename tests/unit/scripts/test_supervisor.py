"""The supervisor on real processes: start, restart, give up, end in order."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.stack.pids import PidFolder
from scripts.stack.settings import CannotStart
from scripts.stack.supervisor import Child, Patience, Supervisor

# Says that it is up through a file; ends on SIGTERM with a note of its name.
LIVES = """
import pathlib, signal, sys, time
home, name = pathlib.Path(sys.argv[1]), sys.argv[2]
def end(*_):
    with (home / "ended").open("a") as note:
        note.write(name + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
(home / (name + ".up")).touch()
while True:
    time.sleep(0.05)
"""
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""
DIES = "print('no such model: champion'); raise SystemExit(3)"

DIES_IN_JSON = """
import json
exception = [{"exc_value": "Kafka at 127.0.0.1:19092: no answer", "frames": ["x"] * 1000}]
print(json.dumps({"event": "agent stopped", "exception": exception}))
raise SystemExit(1)
"""

QUICK = Patience(first_s=0.01, most_s=0.02, failures=3)


class Home:
    """A supervisor with its folder, and what it has said."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said: list[str] = []
        self.supervisor = Supervisor(path / "run", self.said.append, QUICK)

    def child(self, name: str, code: str = LIVES, start_within_s: float = 60.0) -> Child:
        up = self.path / f"{name}.up"
        command = (sys.executable, "-c", code, str(self.path), name)
        log = self.path / f"{name}.log"
        return Child(name, command, log, up.exists, start_within_s=start_within_s)

    def start(self, *names: str) -> None:
        for name in names:
            self.supervisor.launch(self.child(name))
        self.supervisor.await_healthy()

    def pid(self, name: str) -> int:
        return next(entry.pid for entry in self.pids.running() if entry.name == name)

    @property
    def pids(self) -> PidFolder:
        return PidFolder(self.path / "run")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    yield home
    home.supervisor.stop()


def test_the_last_started_is_ended_first(home: Home) -> None:
    home.start("kafka", "ingestion", "api")

    home.supervisor.stop()

    assert (home.path / "ended").read_text().split() == ["api", "ingestion", "kafka"]
    assert home.pids.running() == []


def test_a_child_that_dies_while_starting_is_told_with_its_last_words(home: Home) -> None:
    home.supervisor.launch(home.child("ingestion", DIES))

    with pytest.raises(CannotStart, match=r"ingestion ended with code 3 .*no such model: champion"):
        home.supervisor.await_healthy()


def test_of_a_json_log_the_event_and_the_exceptions_message_are_told(home: Home) -> None:
    home.supervisor.launch(home.child("ingestion", DIES_IN_JSON))

    with pytest.raises(CannotStart) as told:
        home.supervisor.await_healthy()
    assert ": agent stopped: Kafka at 127.0.0.1:19092: no answer (see " in str(told.value)


def test_a_child_that_never_answers_is_told(home: Home) -> None:
    home.supervisor.launch(home.child("api", "import time; time.sleep(60)", start_within_s=0.2))

    with pytest.raises(CannotStart, match="api did not answer within"):
        home.supervisor.await_healthy()


def test_a_killed_child_is_started_again(home: Home) -> None:
    home.start("decision")
    first = home.pid("decision")
    (home.path / "decision.up").unlink()
    os.kill(first, signal.SIGKILL)

    assert home.supervisor.wait_until((home.path / "decision.up").exists, 10)
    assert home.pid("decision") != first
    assert home.said == ["decision was killed by SIGKILL; starting it again in 0.01 s"]


def test_a_child_that_keeps_ending_is_given_up_with_its_last_words(home: Home) -> None:
    (home.path / "api.up").touch()
    home.supervisor.launch(home.child("api", DIES))

    with pytest.raises(
        CannotStart, match=r"api ended with code 3, 4 times in a row: no such model"
    ):
        home.supervisor.wait_until(lambda: False, 30)
    assert len(home.said) == QUICK.failures


def test_the_pause_doubles_up_to_a_limit() -> None:
    patience = Patience(first_s=0.5, most_s=3.0)

    assert [patience.delay_s(failures) for failures in (1, 2, 3, 4, 9)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_a_child_deaf_to_the_request_is_killed(home: Home) -> None:
    log = home.path / "deaf.log"
    command = (sys.executable, "-c", DEAF)
    child = Child("deaf", command, log, lambda: b"up" in log.read_bytes(), stop_within_s=0.2)
    home.supervisor.launch(child)
    home.supervisor.await_healthy()
    pid = home.pid("deaf")

    home.supervisor.stop()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_child_is_out_of_reach_of_the_terminals_ctrl_c(home: Home) -> None:
    home.start("kafka")

    assert os.getsid(home.pid("kafka")) != os.getsid(0)


def test_a_full_log_is_set_aside(home: Home) -> None:
    log = home.path / "api.log"
    with log.open("wb") as file:
        file.truncate(17 * 1024 * 1024)

    home.start("api")

    assert (home.path / "api.log.1").exists()
    assert log.stat().st_size < 1_000


def test_a_port_of_a_stopped_child_is_free_again(home: Home) -> None:
    code = (
        "import socket, time, pathlib, sys;"
        "server = socket.create_server(('127.0.0.1', 0));"
        "(pathlib.Path(sys.argv[1]) / 'api.up').write_text(str(server.getsockname()[1]));"
        "time.sleep(60)"
    )
    home.supervisor.launch(home.child("api", code))
    home.supervisor.wait_until(lambda: (home.path / "api.up").exists(), 10)
    home.supervisor.wait_until(lambda: (home.path / "api.up").read_text() != "", 10)
    port = int((home.path / "api.up").read_text())

    home.supervisor.stop()

    with socket.create_server(("127.0.0.1", port)):
        pass
