"""Starts our processes, starts them again when they end, and ends them in reverse order."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from scripts.stack.pids import PidFolder
from scripts.stack.settings import ROOT, CannotStart
from scripts.stack.waiting import LOOK_EVERY_S, held_in_time

LAST_LINES = 5
LONGEST_WORDS = 200
FULL_LOG_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Child:
    """A process to run.

    Args:
        healthy: Asked until it says yes; only then has the process started.
        env: Added to our own environment.
        stop_within_s: After this long it is killed.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    healthy: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    start_within_s: float = 60.0
    stop_within_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How a process that ends is started again: after 0.5 s, 1 s, 2 s, ..., then given up.

    Args:
        failures: So many ends in a row are forgiven.
        forgiven_after_s: A process that lived this long starts with a clean record.
    """

    first_s: float = 0.5
    most_s: float = 30.0
    failures: int = 5
    forgiven_after_s: float = 60.0

    def delay_s(self, failures: int) -> float:
        return min(self.most_s, self.first_s * 2.0 ** (failures - 1))


@dataclass(slots=True)
class Running:
    """A child's process now, and how often it has ended in a row."""

    child: Child
    process: subprocess.Popen[bytes]
    log_from: int
    since: float
    failures: int = 0
    again_at: float | None = None


class Supervisor:
    """Owns the processes of one stack.

    Args:
        run: The folder of the pid files.
        say: Told, in one line, what happened to a process.
        shield: Holds stop signals back while a process is being started or all are ended.
    """

    def __init__(
        self,
        run: Path,
        say: Callable[[str], None],
        patience: Patience | None = None,
        shield: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._pids = PidFolder(run)
        self._say = say
        self._patience = patience or Patience()
        self._shield = shield
        self._running: list[Running] = []

    @property
    def running(self) -> Sequence[Running]:
        return tuple(self._running)

    def launch(self, child: Child) -> None:
        """Start a process without waiting for its health."""
        with self._shield():
            self._running.append(self._spawn(child))

    def await_healthy(self) -> None:
        """Wait for all that was launched; raises CannotStart for one that ends or stays silent."""
        waiting = list(self._running)
        while waiting := [running for running in waiting if not running.child.healthy()]:
            for running in waiting:
                self._expect_alive(running)
            time.sleep(LOOK_EVERY_S)

    def check(self) -> None:
        """Start again what has ended, each in its time; raises CannotStart for a hopeless one."""
        for running in self._running:
            if running.process.poll() is None:
                continue
            if running.again_at is None:
                self._plan_restart(running)
            elif time.monotonic() >= running.again_at:
                self._restart(running)

    def wait_until(self, holds: Callable[[], bool], within_s: float) -> bool:
        """Whether it held in time; meanwhile our processes are kept alive."""
        return held_in_time(holds, within_s, self.check)

    def stop(self) -> None:
        """End all, the last started first."""
        with self._shield():
            while self._running:
                running = self._running.pop()
                _end(running)
                self._pids.forget(running.child.name)

    def _spawn(self, child: Child) -> Running:
        child.log.parent.mkdir(parents=True, exist_ok=True)
        _set_full_log_aside(child.log)
        with child.log.open("ab") as log:
            log_from = log.tell()
            # A session of its own: a terminal's Ctrl-C reaches us alone, and we end it in order.
            process = subprocess.Popen(
                child.command,
                cwd=ROOT,
                env={**os.environ, **child.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._pids.record(child.name, process.pid, child.stop_within_s)
        return Running(child, process, log_from, time.monotonic())

    def _expect_alive(self, running: Running) -> None:
        if running.process.poll() is not None:
            raise CannotStart(f"{_ending(running)} while starting: {_last_words(running)}")
        if time.monotonic() - running.since > running.child.start_within_s:
            raise CannotStart(
                f"{running.child.name} did not answer within {running.child.start_within_s:.0f} s: "
                f"{_last_words(running)}"
            )

    def _plan_restart(self, running: Running) -> None:
        lived_s = time.monotonic() - running.since
        running.failures = 1 if lived_s > self._patience.forgiven_after_s else running.failures + 1
        if running.failures > self._patience.failures:
            raise CannotStart(
                f"{_ending(running)}, {running.failures} times in a row: {_last_words(running)}"
            )
        delay_s = self._patience.delay_s(running.failures)
        running.again_at = time.monotonic() + delay_s
        self._say(f"{_ending(running)}; starting it again in {delay_s:g} s")

    def _restart(self, running: Running) -> None:
        with self._shield():
            again = self._spawn(running.child)
            running.process, running.log_from = again.process, again.log_from
            running.since, running.again_at = again.since, None


def _end(running: Running) -> None:
    running.process.terminate()
    try:
        running.process.wait(running.child.stop_within_s)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.process.pid, signal.SIGKILL)
        running.process.wait()


def _ending(running: Running) -> str:
    code = running.process.returncode
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    return f"{running.child.name} {how}"


def _last_words(running: Running) -> str:
    """The last lines that this run of the process has logged, as one line."""
    with running.child.log.open("rb") as log:
        log.seek(running.log_from)
        lines = log.read().decode(errors="replace").splitlines()
    words = [_in_words(line.strip()) for line in lines if line.strip()][-LAST_LINES:]
    return f"{' | '.join(words) or 'it logged nothing'} (see {running.child.log})"


def _in_words(line: str) -> str:
    """A log line, shortened; of a JSON line of ours its event and the exception's message."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        fields = json.loads(line)
        words = [fields["event"], *(error["exc_value"] for error in fields.get("exception", ()))]
        line = ": ".join(map(str, words))
    return line if len(line) <= LONGEST_WORDS else f"{line[:LONGEST_WORDS]}..."


def _set_full_log_aside(log: Path) -> None:
    if log.exists() and log.stat().st_size > FULL_LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
