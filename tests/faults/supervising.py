"""Starts workers again when they end, as the supervisor of a real installation does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread

from tests.faults.cluster import Cluster
from tests.faults.processes import Process

LOOK_EVERY_S = 0.05
PAUSE_S = 0.1


@dataclass(slots=True)
class Watch:
    """What has ended by itself or was killed meanwhile.

    Args:
        ends: Name and exit code of each end, in their order; -9 is kill -9.
        spared: Workers that stay as they are.
        words: The last words of those that ended by themselves.
    """

    ends: list[tuple[str, int]] = field(default_factory=list)
    spared: set[str] = field(default_factory=set)
    words: list[str] = field(default_factory=list)

    def codes(self, code: int) -> int:
        return sum(ended == code for _, ended in self.ends)


@contextmanager
def supervised(cluster: Cluster) -> Iterator[Watch]:
    """Each worker that ends is started again 0.1 s later."""
    watch, stopping = Watch(), Event()

    def look() -> None:
        while not stopping.wait(LOOK_EVERY_S):
            for process in cluster.processes:
                if process.name not in watch.spared and not process.is_running:
                    _note_and_start(process, watch)

    thread = Thread(target=look, name="supervisor", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        stopping.set()
        thread.join(10)


def _note_and_start(process: Process, watch: Watch) -> None:
    assert process.child is not None
    watch.ends.append((process.name, process.child.returncode))
    if process.child.returncode > 0:
        watch.words.append(process.last_words())
    time.sleep(PAUSE_S)
    process.start(wait=False)
