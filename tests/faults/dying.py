"""An agent as it is, but that it kills itself at a chosen step of the loop.

    FAULT_STAGE=decision FAULT_SEAM=emitted FAULT_AFTER=3 python -m tests.faults.dying

The steps are those of `docs/architecture.md`, "The loop".
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from feature_store.fence import Reply, Turn
from feature_store.online import RedisOnlineStore
from producer.records import OutRecord
from stream_agents import decision, ingestion, process
from stream_agents.engine import Decision, Detection
from stream_agents.rim import FaustLog
from stream_agents.stage import Folded

SEAMS = (
    "before-commit",
    "committed",
    "before-emit",
    "half-emitted",
    "emitted",
    "before-answer",
    "answered",
)
"""Step 4 before and after the script, step 6 before, midway and after, step 8 before and after."""

ENV_STAGE, ENV_SEAM, ENV_AFTER = "FAULT_STAGE", "FAULT_SEAM", "FAULT_AFTER"


class Doom:
    """Counts down the times that a seam is passed with something in hand."""

    def __init__(self, seam: str, after: int) -> None:
        self._seam, self._left = seam, after

    def strikes(self, seam: str) -> bool:
        """Whether the process is to end at this seam, now."""
        if seam != self._seam:
            return False
        self._left -= 1
        return self._left <= 0

    def pass_by(self, seam: str) -> None:
        if self.strikes(seam):
            die()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def doomed_log(doom: Doom) -> type[FaustLog]:
    class DoomedLog(FaustLog):
        async def emit(self, records: Sequence[OutRecord]) -> None:
            if records:
                doom.pass_by("before-emit")
                if doom.strikes("half-emitted"):
                    await super().emit(records[: (len(records) + 1) // 2])
                    die()
            await super().emit(records)
            if records:
                doom.pass_by("emitted")

    return DoomedLog


def doom_store(doom: Doom) -> None:
    exchange = RedisOnlineStore.exchange

    async def doomed(self: RedisOnlineStore, turns: Sequence[Turn]) -> list[Reply]:
        commits = any(turn.commit for turn in turns)
        if commits:
            doom.pass_by("before-commit")
        replies = await exchange(self, turns)
        if commits:
            doom.pass_by("committed")
        return replies

    RedisOnlineStore.exchange = doomed  # type: ignore[method-assign]  # the fault


def doom_answer(doom: Doom, stage: type[Detection] | type[Decision]) -> None:
    answer = stage.answer

    async def doomed(self: Detection | Decision, folded: Folded) -> None:
        if folded.records:
            doom.pass_by("before-answer")
        await answer(self, folded)  # type: ignore[arg-type]  # a stage's own method
        if folded.records:
            doom.pass_by("answered")

    stage.answer = doomed  # type: ignore[method-assign]  # the fault


def main() -> None:
    doom = Doom(os.environ.get(ENV_SEAM, ""), int(os.environ.get(ENV_AFTER, "1")))
    process.FaustLog = doomed_log(doom)  # type: ignore[attr-defined]  # the fault
    doom_store(doom)
    stage = os.environ[ENV_STAGE]
    doom_answer(doom, {"ingestion": Detection, "decision": Decision}[stage])
    {"ingestion": ingestion, "decision": decision}[stage].main()


if __name__ == "__main__":
    main()
