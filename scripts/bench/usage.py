"""What processes take: CPU time and memory, read from /proc, their children included."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_s(pids: Iterable[int]) -> float:
    """User and system time of these and of the children that they have waited for."""
    ticks = 0
    for pid in pids:
        with suppress(OSError):  # it has ended
            ticks += sum(map(int, _stat(pid)[11:15]))
    return ticks / TICKS


def rss_mb(pids: Iterable[int]) -> float:
    """Resident memory now, in MiB."""
    pages = 0
    for pid in pids:
        with suppress(OSError):
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * PAGE / 2**20


def family(pids: Iterable[int]) -> tuple[int, ...]:
    """These and all of their descendants that live now."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents().items():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    waiting = list(pids)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, ())
    return tuple(found)


def pin(pids: Iterable[int], cores: set[int]) -> None:
    """Let all threads of these run on these cores alone."""
    for pid in pids:
        with suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(task.name), cores)


def _parents() -> Mapping[int, int]:
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parents[int(entry.name)] = int(_stat(int(entry.name))[1])
    return parents


def _stat(pid: int) -> list[str]:
    """The fields after the name; the first is the state."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
