"""Pid files: what a stack has started, so that it can be ended by pid and never by name."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

UP = "up"
"""The pid file of the command that watches over the others."""


class PidFile(msgspec.Struct, frozen=True):
    """One process that was started here.

    Args:
        identity: Start time and command line: a pid alone may have been given to another process.
    """

    name: str
    pid: int
    identity: str
    stop_within_s: float


@dataclass(frozen=True, slots=True)
class PidFolder:
    """The pid files of one stack."""

    path: Path

    def record(self, name: str, pid: int, stop_within_s: float) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        entry = PidFile(name, pid, _identity_of_new(pid), stop_within_s)
        (self.path / f"{name}.json").write_bytes(msgspec.json.encode(entry))

    def forget(self, name: str) -> None:
        (self.path / f"{name}.json").unlink(missing_ok=True)

    def running(self) -> list[PidFile]:
        """What still runs and is ours, the watcher first, then the last started first."""
        entries = [entry for entry in self._newest_first() if is_running(entry)]
        return sorted(entries, key=lambda entry: entry.name != UP)

    def end_all(self) -> list[str]:
        """End what is left; the names of what was ended."""
        ended = []
        for entry in self.running():
            if is_running(entry):  # the watcher may have ended it meanwhile
                end(entry)
                ended.append(entry.name)
        for file in self.path.glob("*.json"):
            file.unlink(missing_ok=True)
        return ended

    def _newest_first(self) -> Iterator[PidFile]:
        files = sorted(self.path.glob("*.json"), key=lambda file: -file.stat().st_mtime_ns)
        for file in files:
            with contextlib.suppress(msgspec.DecodeError, FileNotFoundError):
                yield msgspec.json.decode(file.read_bytes(), type=PidFile)


def identity(pid: int) -> str | None:
    """A process' start time and command line; None if it has ended, though perhaps unreaped."""
    if not Path("/proc/self/stat").exists():
        shown = subprocess.run(
            ["ps", "-p", str(pid), "-o", "lstart=,command="], capture_output=True, text=True
        )
        return shown.stdout.strip() or None
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        # The name in parentheses may hold blanks; the start time is the 20th field after it.
        start = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None
    return f"{start} {command}" if command else None


def _identity_of_new(pid: int) -> str:
    """A process that is being started has no command line for a moment."""
    deadline = time.monotonic() + 1.0
    while (seen := identity(pid)) is None and time.monotonic() < deadline:
        time.sleep(0.001)
    return seen or ""


def is_running(entry: PidFile) -> bool:
    return bool(entry.identity) and identity(entry.pid) == entry.identity


def end(entry: PidFile) -> None:
    """Ask first; after its time is over, kill it with what it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(entry.pid, signal.SIGTERM)
    if _ends_within(entry, entry.stop_within_s):
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        _kill_group(entry.pid)
    _ends_within(entry, 5.0)


def _kill_group(pid: int) -> None:
    """Kill a leader's whole group; of a process in a group of others, itself alone."""
    if os.getpgid(pid) == pid:
        os.killpg(pid, signal.SIGKILL)
    else:
        os.kill(pid, signal.SIGKILL)


def _ends_within(entry: PidFile, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_running(entry):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
