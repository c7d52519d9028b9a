"""The ingestion agent as it is, but that a chunk with the word `hang` never ends, the first time.

Run as a program, with the file that tells the first time from the second.
"""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path

from feature_store.online import RedisOnlineStore, connect
from models.artifacts import champion_of
from models.catalog import pack_named
from producer.records import events_topic
from stream_agents.engine import Detection, EventChunk
from stream_agents.process import run_agent
from stream_agents.regime_store import RedisRegimes
from stream_agents.regimes import Current
from stream_agents.settings import AgentSettings
from stream_agents.stage import Folded, Memory
from stream_agents.warm import warm

PACK = pack_named("access")


class Hanging(Detection):
    def __init__(self, note: Path) -> None:
        super().__init__(PACK, champion_of(PACK.name))
        self._note = note

    def fold(self, chunk: EventChunk, memory: Memory) -> Folded:
        hangs = any("hang" in event.path for event in chunk.lines.events)
        while hangs and (not self._note.exists() or self._note.read_text() == "hanging"):
            self._note.write_text("hanging")
            time.sleep(0.1)
        return super().fold(chunk, memory)


def run(stage: Detection) -> None:
    settings = AgentSettings()
    warm(PACK, stage)
    run_agent(
        "ingestion",
        settings,
        topic=events_topic(PACK.name),
        stage=stage,
        store=RedisOnlineStore(
            connect(settings.redis), PACK.name, PACK.features.entity, timedelta(days=8)
        ),
        beside=Current(PACK, RedisRegimes(settings.redis, PACK.name)).followed(settings.deadline_s),
        port=settings.ingestion_port,
    )


def main() -> None:
    note = Path(sys.argv[1])
    if note.exists():
        note.write_text("hung once")
    run(Hanging(note))


if __name__ == "__main__":
    main()
