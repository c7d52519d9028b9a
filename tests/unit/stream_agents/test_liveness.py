"""When an agent counts as stalled, and that its watch ends the process then."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from stream_agents.liveness import FAILED, STALLED, Progress
from stream_agents.memory import MemoryBroker, MemoryLog, MemoryStore
from stream_agents.metrics import StageMetrics
from stream_agents.worker import Limits, Worker
from tests.unit.stream_agents.counting import CountingStage

Look = tuple[float, Mapping[int, int], Mapping[int, int]]
"""Seconds, offsets, lag."""


@pytest.mark.parametrize(
    ("looks", "standing_s"),
    [
        ([(1, {0: 5}, {0: 0}), (9, {0: 5}, {0: 0})], 0),
        ([(1, {0: 5}, {0: 3}), (4, {0: 6}, {0: 9}), (9, {0: 7}, {0: 9})], 0),
        ([(1, {0: 5}, {0: 3}), (4, {0: 5}, {0: 3}), (9, {0: 5}, {0: 4})], 8),
        ([(1, {0: 5}, {0: 0}), (4, {0: 5}, {0: 0}), (9, {0: 5}, {0: 1})], 5),
        ([(1, {0: 5, 1: 0}, {0: 9, 1: 9}), (9, {0: 5, 1: 1}, {0: 9, 1: 8})], 0),
        ([(1, {0: 5, 1: 0}, {0: 0, 1: 9}), (9, {0: 5, 1: 0}, {0: 0, 1: 9})], 8),
        ([(1, {}, {}), (9, {}, {})], 0),
        ([(1, {0: 5}, {0: 3}), (9, {1: 5}, {1: 3})], 0),
    ],
    ids=[
        "nothing to do",
        "behind but moving",
        "standing still",
        "only since there is something to do",
        "one of two moves",
        "one of two is behind",
        "nothing assigned",
        "assigned anew",
    ],
)
def test_standing_still_is_no_move_while_records_wait(looks: list[Look], standing_s: float) -> None:
    progress = Progress(0.0)

    assert [progress.standing_s(*look) for look in looks][-1] == standing_s


def test_time_in_which_the_broker_could_not_be_asked_does_not_count() -> None:
    progress = Progress(0.0)
    progress.standing_s(1, {0: 5}, {0: 3})

    progress.unknown(100)

    assert progress.standing_s(102, {0: 5}, {0: 3}) == 2


def test_asking_again_for_a_part_that_is_away_is_no_standing_still() -> None:
    progress = Progress(0.0)
    progress.standing_s(1, {0: 5}, {0: 3}, 7)

    assert progress.standing_s(20, {0: 5}, {0: 3}, 8) == 0
    assert progress.standing_s(25, {0: 5}, {0: 3}, 8) == 5


WATCH = """
import threading
from itertools import count
from models.errors import Unavailable
from stream_agents import liveness
from stream_agents.metrics import StageMetrics

def away():
    raise Unavailable("kafka is away")

def replaced():
    raise liveness.TopicReplaced("events.access")

liveness.LOOK_EVERY_S = 0.01
stopped = threading.Event()
threading.Timer(0.3, stopped.set).start()
offsets, ends, *retries = {case}
retried = retries[0] if retries else lambda: 0
liveness.watch(offsets, ends, retried, StageMetrics("access", "test"), 0.1, stopped)
"""


@pytest.mark.parametrize(
    ("case", "code"),
    [
        ("lambda: {0: 5}, lambda: {0: 7}", STALLED),
        ("lambda: {0: 5}, lambda: {0: 6}", 0),
        ("lambda: {0: 5}, away", 0),
        ("lambda: {0: 5}, lambda: {0: 7}, count().__next__", 0),
        ("lambda: {0: 1 // 0}, lambda: {0: 7}", FAILED),
        ("lambda: {}, replaced", FAILED),
    ],
    ids=["stalled", "idle", "broker away", "store away", "broken", "topic replaced"],
)
def test_the_watch_ends_the_process_that_stands_still_or_cannot_be_watched(
    case: str, code: int
) -> None:
    watched = [sys.executable, "-c", WATCH.replace("{case}", case)]

    assert subprocess.run(watched, timeout=60, capture_output=True).returncode == code


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads take turns a thousand times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(before / 1000)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
async def test_offsets_can_be_read_by_another_thread_while_partitions_come_and_go() -> None:
    metrics, limits = StageMetrics("test", "counting"), Limits(seen_ids=8)
    log = MemoryLog(MemoryBroker(lambda: 0), "in")
    worker = Worker(CountingStage("out"), MemoryStore(), log, "epoch", metrics, limits)
    await worker.assigned(range(50))
    done = threading.Event()

    def look() -> int:
        looks = 0
        while not done.is_set():
            looks += len(worker.offsets) >= 50
        return looks

    with ThreadPoolExecutor() as threads:
        looking = threads.submit(look)
        for _ in range(1_000):
            await worker.assigned(range(50, 60))
            worker.revoked(range(50, 60))
        done.set()

    assert looking.result() > 0
