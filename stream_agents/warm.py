"""Compiles the kernels and loads the model before a worker joins its group.

Run as a program it fills numba's cache on disk, so that the agents start in a second.
"""

from __future__ import annotations

import sys

import msgspec

from feature_store.fence import Fence
from feature_store.seen import SeenIds
from models.artifacts import champion_of
from models.catalog import pack_named
from models.pack import DomainPack
from producer.records import Record
from stream_agents.engine import Detection
from stream_agents.stage import Memory


def warm(pack: DomainPack, detection: Detection, events: int = 64) -> None:
    """Folds a few simulated events with no state; nothing is kept."""
    lines = [msgspec.json.encode(event) for event, _ in pack.simulate(7, events)]
    chunk = detection.decode([Record(0, 0, 1 << 41, b"\n".join(lines))])
    states = dict.fromkeys(chunk.entities[0], b"")
    detection.fold(chunk, Memory({0: Fence("warm")}, {0: SeenIds(1024)}, {0: states}))


def main() -> None:
    pack = pack_named(sys.argv[1] if len(sys.argv) > 1 else "access")
    warm(pack, Detection(pack, champion_of(pack.name)))


if __name__ == "__main__":
    main()
