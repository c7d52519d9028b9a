"""A stage small enough to check by eye: it counts the lines of each entity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace

from producer.records import OutRecord, Record
from stream_agents.stage import Change, Folded, Memory, Place, lines_of


@dataclass(frozen=True, slots=True)
class CountedChunk:
    records: Sequence[Record]
    poisoned: Sequence[Place]
    entities: Mapping[int, Sequence[str]]


class CountingStage:
    """A line is `entity` or `entity boom`; the outcome is `entity=<count so far>`.

    Args:
        breaks_decoding: Where a `boom` raises, in the decoding or in the fold.
        layout: What the counts are stored as, in name.
    """

    def __init__(self, out: str, *, breaks_decoding: bool = False, layout: str = "counts") -> None:
        self._out = out
        self.layout = layout
        self._breaks_decoding = breaks_decoding

    def decode(self, records: Sequence[Record], poisoned: Sequence[Place] = ()) -> CountedChunk:
        entities: dict[int, list[str]] = {}
        for record in records:
            for number, line in enumerate(lines_of(record.value)):
                if Place(record.partition, record.offset, number) in poisoned:
                    continue
                if b"boom" in line and self._breaks_decoding:
                    raise ValueError("boom")
                entity = line.split()[0].decode()
                known = entities.setdefault(record.partition, [])
                if entity not in known:
                    known.append(entity)
        return CountedChunk(records, poisoned, entities)

    def fold(self, chunk: CountedChunk, memory: Memory) -> Folded:
        counts = {p: Counter[str]() for p in {record.partition for record in chunk.records}}
        for partition, entities in chunk.entities.items():
            for entity in entities:
                counts[partition][entity] = int(memory.states[partition][entity] or b"0")
        out = []
        decided, dead = Counter[int](), Counter[int]()
        for record in chunk.records:
            answers = []
            for number, line in enumerate(lines_of(record.value)):
                if Place(record.partition, record.offset, number) in chunk.poisoned:
                    dead[record.partition] += 1
                    answers.append("dead")
                    continue
                memory.seen[record.partition].remember(np.array([hash(line)], np.int64).view("u8"))
                if b"boom" in line:
                    raise ValueError("boom")
                entity = line.split()[0].decode()
                counts[record.partition][entity] += 1
                decided[record.partition] += 1
                answers.append(f"{entity}={counts[record.partition][entity]}")
            offset = str(record.offset).encode()
            value = "\n".join(answers).encode()
            out.append(OutRecord(self._out, record.partition, value, (("source-offset", offset),)))
        changes = {}
        for record in chunk.records:
            partition = record.partition
            fence = memory.fences[partition]
            changes[partition] = Change(
                replace(
                    fence,
                    offset=record.offset,
                    decided=fence.decided + decided[partition],
                    dead=fence.dead + dead[partition],
                    seen=memory.seen[partition].count,
                ),
                {entity: str(count).encode() for entity, count in counts[partition].items()},
            )
        return Folded(out, changes)

    async def answer(self, folded: Folded) -> None:
        """Nobody waits."""
