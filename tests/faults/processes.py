"""A process of the fault tests: started, killed, frozen and started again on the same port."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from scripts.stack.settings import ROOT

START_WITHIN_S = 120.0
STOP_WITHIN_S = 30.0


@dataclass(slots=True)
class Process:
    """One process, restartable as often as a fault wants it.

    Args:
        healthy: Asked until it says yes; None where being started is enough.
        environment: Added to our own.
        log: Appended to by every start.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    healthy: Callable[[], bool] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.child is not None, f"{self.name} was never started"
        return self.child.pid

    @property
    def is_running(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def start(self, *, wait: bool = True) -> None:
        """Start it; `wait` until it is healthy."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env={**os.environ, "PYTHONFAULTHANDLER": "1", **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            self.await_healthy()

    def await_healthy(self, within_s: float = START_WITHIN_S) -> None:
        """Raises AssertionError with the log's end where it does not become healthy in time."""
        deadline = time.monotonic() + within_s
        while self.healthy is not None and not self.healthy():
            if not self.is_running:
                raise AssertionError(f"{self.name} ended while starting: {self.last_words()}")
            if time.monotonic() > deadline:
                self._tell_where_it_is()
                raise AssertionError(f"{self.name} is not healthy: {self.last_words()}")
            time.sleep(0.05)

    def kill(self) -> None:
        """kill -9, reaped."""
        self.send(signal.SIGKILL)
        self._reap(10)

    def term(self, within_s: float = STOP_WITHIN_S) -> int:
        """The exit code after SIGTERM; raises TimeoutExpired where it goes on."""
        self.send(signal.SIGTERM)
        return self._reap(within_s)

    def stop(self) -> None:
        """SIGSTOP: it holds its connections and does nothing."""
        self.send(signal.SIGSTOP)

    def cont(self) -> None:
        """SIGCONT."""
        self.send(signal.SIGCONT)

    def send(self, number: signal.Signals) -> None:
        """A signal; nothing happens where it has ended."""
        if self.is_running:
            os.kill(self.pid, number)

    def end(self) -> None:
        """However it is, it runs no more."""
        if self.is_running:
            self.cont()
            self.kill()

    def wait(self, within_s: float) -> int:
        """The exit code of a process that ends by itself; raises TimeoutExpired if it does not."""
        return self._reap(within_s)

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def last_words(self) -> str:
        return self.said()[-4000:]

    def rss_mb(self) -> float:
        """Resident memory now."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def _tell_where_it_is(self) -> None:
        """Have Python write the stack of each thread to the log; this ends it."""
        self.send(signal.SIGABRT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._reap(10)

    def _reap(self, within_s: float) -> int:
        assert self.child is not None
        return self.child.wait(within_s)


def http_status(url: str) -> int:
    """How a GET is answered, however long it takes; 0 where it is not."""
    try:
        with urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code
    except OSError:
        return 0
