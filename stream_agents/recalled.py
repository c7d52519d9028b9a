"""What was recorded of an event, as what is kept of the newest: with its place in the log."""

from __future__ import annotations

import asyncio
from typing import Protocol

from feature_store.fence import Upstream
from models.errors import DetectionError
from producer.retained import Retained
from stream_agents.outcomes import ENCODER, source_of
from stream_agents.recording import Row
from stream_agents.stage import KeptDecision, Place


class Records(Protocol):
    """All answers of a pack by event id."""

    async def find(self, event_id: str) -> Row | None:
        """Raises `Unavailable`."""


class Recalled:
    """Finds answers in the record, and their events' places on `decisions.<pack>`."""

    def __init__(self, records: Records, decisions: Retained) -> None:
        self._records = records
        self._decisions = decisions

    async def find(self, event_id: str) -> KeptDecision | None:
        """The answer about an event; None where none is recorded. Raises `Unavailable`."""
        row = await self._records.find(event_id)
        return await asyncio.to_thread(kept_of, row, self._decisions) if row else None


def kept_of(row: Row, decisions: Retained) -> KeptDecision:
    source = source_behind(row, decisions)
    place = Place(row.partition, source.offset, row.line) if source else None
    epoch = source.epoch if source else ""
    return KeptDecision(row.event_id, epoch, place, ENCODER.encode(row.taken))


def source_behind(row: Row, decisions: Retained) -> Upstream | None:
    """The record of events behind a row; None where its decision is not to be had any more."""
    try:
        if decisions.epoch() != row.epoch:
            return None
        record = decisions.record(row.partition, row.source_offset)
    except DetectionError:
        return None
    return source_of(record) if record else None
