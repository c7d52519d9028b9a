"""An event loop whose clock jumps: nothing waits, and nothing but the seed decides what is next."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Stuck(Exception):
    """Nothing is left that could ever happen, and the run has not ended."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs coroutines in virtual seconds from 0; it does no I/O.

    Whatever is ready at the same moment runs in an order that is drawn.
    """

    _ready: deque[Any]
    _selector: Any

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._now = 0.0
        self._chance = chance
        self._selector = self

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> list[Any]:
        """In the place of a selector's: lets the time pass until the next timer."""
        if timeout is None:
            raise Stuck(f"nothing is left to happen at {self._now:.3f} s")
        self._now += timeout
        if len(self._ready) > 1:
            ready = list(self._ready)
            self._chance.shuffle(ready)
            self._ready.clear()
            self._ready.extend(ready)
        return []

    def _process_events(self, _: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """No other thread wakes this loop."""


def run_virtually(main: Coroutine[Any, Any, T], chance: random.Random) -> T:
    """Runs a coroutine to its end on a loop of its own; what it has left running is cancelled."""
    loop = VirtualLoop(chance)
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        asyncio.set_event_loop(None)
        loop.close()
