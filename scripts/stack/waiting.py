"""Waiting for what was started, while it is looked after."""

from __future__ import annotations

import time
from collections.abc import Callable

LOOK_EVERY_S = 0.1


def held_in_time(holds: Callable[[], bool], within_s: float, meanwhile: Callable[[], None]) -> bool:
    """Whether it came to hold in time.

    Args:
        meanwhile: Called between the looks; what it raises ends the wait.
    """
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        meanwhile()
        time.sleep(LOOK_EVERY_S)
    return True
