"""Of a process that runs for long: when garbage is looked for, and memory given back."""

from __future__ import annotations

import ctypes
import gc

_WORTH_A_LOOK = 32 * 1024 * 1024
_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's alone


def settle_the_collector(young: int = 100_000) -> None:
    """Looks for garbage seldom, and never among what is there already.

    A chunk is thousands of short-lived objects without cycles; and to look through all modules once
    takes 70 to 100 ms, in which nobody is answered.

    Args:
        young: So many new objects are worth a look, which takes 0.2 to 0.4 ms a thousand.
    """
    gc.freeze()
    gc.set_threshold(young, 50, 100)


class Heap:
    """Gives back to the system what the C library keeps after a peak.

    What chunks take and free lies between what stays: glibc returns of itself only what is free at
    the end of its heap. It counts what passes through, and gives back once that was much.

    A look takes 0.4 ms, and 6 ms after a million events.

    Args:
        worth_a_look: After so many bytes of records.
    """

    def __init__(self, worth_a_look: int = _WORTH_A_LOOK) -> None:
        self._worth_a_look = worth_a_look
        self._passed = 0

    def passed(self, weight: int) -> None:
        """So many bytes of records more."""
        self._passed += weight

    def give_back(self) -> bool:
        """For a moment at which nothing waits; whether it was worth a look."""
        if self._passed < self._worth_a_look or _trim is None:
            return False
        self._passed = 0
        _trim(0)
        return True
