"""The ingestion agent as it is, but that a path with the word `break` breaks it, slowly."""

from __future__ import annotations

import time

from models.artifacts import champion_of
from stream_agents.engine import Detection, EventChunk
from stream_agents.stage import Folded, Memory
from tests.integration.hanging import PACK, run

FOLD_S = 0.05


class Breaking(Detection):
    def fold(self, chunk: EventChunk, memory: Memory) -> Folded:
        if any("break" in event.path for event in chunk.lines.events):
            time.sleep(FOLD_S)
            raise LookupError("broken")
        return super().fold(chunk, memory)


if __name__ == "__main__":
    run(Breaking(PACK, champion_of(PACK.name)))
