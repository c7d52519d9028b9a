"""A command of ours as a process of its own: what it says so far, and how it ends."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Command:
    """A process whose output goes to the files `stdout` and `stderr` of a folder.

    Args:
        within_s: After this long a wait has failed.
    """

    process: subprocess.Popen[bytes]
    folder: Path
    within_s: float

    @property
    def shown(self) -> str:
        return (self.folder / "stdout").read_text()

    @property
    def said(self) -> str:
        return (self.folder / "stderr").read_text()

    def await_line(self, line: str) -> None:
        self.wait_until(lambda: line in self.said)

    def wait_until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.within_s
        while not holds():
            assert self.process.poll() is None, f"ended: {self.shown} {self.said}"
            assert time.monotonic() < deadline, f"still waiting: {self.shown} {self.said}"
            time.sleep(0.05)

    def ended(self) -> int:
        """The exit code."""
        return self.process.wait(self.within_s)
