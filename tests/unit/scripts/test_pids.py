"""Pid files: only what we started is ever ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from scripts.stack.pids import UP, PidFile, PidFolder, identity


@pytest.fixture
def pids(tmp_path: Path) -> PidFolder:
    return PidFolder(tmp_path)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def test_what_was_recorded_is_ended(pids: PidFolder, sleeper: subprocess.Popen[bytes]) -> None:
    pids.record("api", sleeper.pid, 5.0)

    assert pids.end_all() == ["api"]
    assert sleeper.wait(5) == -signal.SIGTERM
    assert list(pids.path.iterdir()) == []


def test_a_pid_that_now_belongs_to_another_process_is_left_alone(
    pids: PidFolder, sleeper: subprocess.Popen[bytes]
) -> None:
    other = PidFile("kafka", sleeper.pid, "1234 java kafka.Kafka", 0.1)
    (pids.path / "kafka.json").write_bytes(msgspec.json.encode(other))

    assert pids.end_all() == []
    assert sleeper.poll() is None
    assert list(pids.path.iterdir()) == []


@pytest.mark.parametrize("garbage", [b"", b"4711", b"{}", b"\xff\x00"], ids=repr)
def test_a_broken_pid_file_is_removed_and_ends_nothing(pids: PidFolder, garbage: bytes) -> None:
    (pids.path / "redis.json").write_bytes(garbage)

    assert pids.end_all() == []
    assert list(pids.path.iterdir()) == []


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert PidFolder(tmp_path / "never").end_all() == []


def test_a_process_that_has_ended_is_not_running(
    pids: PidFolder, sleeper: subprocess.Popen[bytes]
) -> None:
    pids.record("api", sleeper.pid, 5.0)
    sleeper.kill()
    sleeper.wait()

    assert pids.running() == []


def test_an_ended_process_that_nobody_has_reaped_has_no_identity() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert identity(process.pid) is None
    process.wait()


def test_the_watcher_is_ended_first_and_then_the_last_started(pids: PidFolder) -> None:
    for name in (UP, "kafka", "api"):
        pids.record(name, os.getpid(), 1.0)

    assert [entry.name for entry in pids.running()] == [UP, "api", "kafka"]
