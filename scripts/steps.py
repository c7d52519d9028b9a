"""Telling what a command does, step by step, on standard error."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Timer

from rich.console import Console

from scripts.stack.settings import LocalStack

SLOW_S = 3.0


class Steps:
    """Tells each step in one line, with its seconds; nothing at all if it is quiet."""

    def __init__(self, quiet: bool = False) -> None:
        self._told = Console(stderr=True, quiet=quiet)

    def say(self, line: str) -> None:
        self._told.print(line, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def step(self, what: str, if_slow: str = "") -> Iterator[None]:
        """
        Args:
            if_slow: Said once the step has taken a few seconds: why, and for how long.
        """
        began = time.monotonic()
        hint = Timer(SLOW_S, self.say, [f"          {if_slow}"])
        hint.daemon = True
        if if_slow:
            hint.start()
        try:
            with self._told.status(what) if self._told.is_terminal else nullcontext():
                yield
        finally:
            hint.cancel()
        self.say(f"{time.monotonic() - began:6.1f} s  {what}")


def began(settings: LocalStack) -> float:
    """Unix time at which the command was given."""
    return settings.started or process_began()


def process_began() -> float:
    """When this process was started; now, where the machine does not say."""
    try:
        # The name in parentheses may hold blanks; the start time is the 20th field after it.
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return time.time()
    since_boot_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - since_boot_s
