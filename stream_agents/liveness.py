"""Whether an agent gets on with its log, looked at from a thread of its own.

Consumers have been seen to stop without an error. An agent that has records to read and folds none
ends itself then; whoever supervises it starts it again, and it reads on from its fence.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping

import structlog

from models.errors import DetectionError
from stream_agents.metrics import StageMetrics

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 2.0
FAILED, STALLED = 1, 70
"""Exit codes; 70 is `EX_SOFTWARE` of sysexits.h."""

Offsets = Mapping[int, int]


class TopicReplaced(Exception):
    """The topic was deleted and made again: Faust reads nothing of it, and offsets mean others."""


class Progress:
    """Since when records wait, no fence moves, and nothing is tried again.

    Args:
        at: Now, in seconds of a monotonic clock.
    """

    def __init__(self, at: float) -> None:
        self._moved_at = at
        self._before: tuple[Offsets, int] = ({}, 0)

    def standing_s(self, at: float, offsets: Offsets, lag: Offsets, retries: int = 0) -> float:
        """For how long it has stood still; 0 as long as there is nothing to do."""
        now = dict(offsets), retries
        if now != self._before or not any(records > 0 for records in lag.values()):
            self._moved_at, self._before = at, now
        return at - self._moved_at

    def unknown(self, at: float) -> None:
        """Nobody could say whether records wait."""
        self._moved_at = at


def watch(
    offsets: Callable[[], Offsets],
    ends: Callable[[], Offsets],
    retries: Callable[[], int],
    metrics: StageMetrics,
    stalled_s: float,
    stopped: threading.Event,
) -> None:
    """Ends the process once it has stood still for longer than `stalled_s`.

    Args:
        offsets: Per partition that is assigned, the offset of the newest record folded.
        ends: Per partition, the offset that its next record will have; asked of the broker. Where
            it raises TopicReplaced the process ends, to be started again on the new topic.
        retries: How often what had failed was tried again: whoever does so ends it by itself.
    """
    progress = Progress(time.monotonic())
    try:
        while not stopped.wait(LOOK_EVERY_S):
            _look(progress, offsets(), ends, retries(), metrics, stalled_s)
    except TopicReplaced as error:
        log.critical("topic was made again", topic=str(error))
        _leave(FAILED)
    except Exception:  # a watch that ended unnoticed would watch no more
        log.exception("liveness cannot be watched")
        _leave(FAILED)


def _look(
    progress: Progress,
    offsets: Offsets,
    ends: Callable[[], Offsets],
    retries: int,
    metrics: StageMetrics,
    stalled_s: float,
) -> None:
    try:
        end = ends()
    except DetectionError:
        metrics.lag({})
        progress.unknown(time.monotonic())
        return
    lag = {partition: end.get(partition, 0) - at - 1 for partition, at in offsets.items()}
    metrics.lag(lag)
    if progress.standing_s(time.monotonic(), offsets, lag, retries) > stalled_s:
        log.critical("stalled", lag=lag, offsets=offsets)
        _leave(STALLED)


def _leave(code: int) -> None:
    sys.stdout.flush()
    # The main thread may hang for good: leave without it.
    os._exit(code)
