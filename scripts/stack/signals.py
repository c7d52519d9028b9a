"""Ctrl-C, `kill` and a closed terminal, as one exception, and never in the middle of a spawn."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """Turns the first stop signal into KeyboardInterrupt; later ones change nothing."""

    def __init__(self) -> None:
        self._held = False
        self._pending = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._arrived) for number in STOPS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """A stop that arrives inside is raised at the end, and not at all if that is an error."""
        outer, self._held = self._held, True
        try:
            yield
        finally:
            self._held = outer
        if self._pending and not self._held:
            self._stop()

    def deafen(self) -> None:
        """The stop is on its way."""
        self._held = True

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if self._held:
            self._pending = True
        else:
            self._stop()

    def _stop(self) -> NoReturn:
        self.deafen()
        raise KeyboardInterrupt
