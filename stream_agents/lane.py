"""A worker with its queue: some of an agent's partitions, one chunk after another.

An agent has several lanes. Each is strictly sequential; while one waits for Redis or for the
broker's acknowledgement, another computes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Sequence
from typing import Any

from faust.types import EventT

from producer.records import Record
from stream_agents.worker import Worker

_STILL_TURNS = 3
"""So many turns of the loop bring nothing new: Faust has handed over what it has fetched."""


class Inbox:
    """Records on their way from Faust to the worker; bounded, so that Faust pauses fetching.

    Args:
        records: At most so many wait here.
        weight: At most so many bytes, or one record.
    """

    def __init__(self, records: int, weight: int = 64 * 1024 * 1024) -> None:
        self._queued: deque[EventT[bytes]] = deque()
        self._records = records
        self._weight = weight
        self._held = 0
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()

    def __len__(self) -> int:
        return len(self._queued)

    async def put(self, event: EventT[bytes]) -> None:
        await self._drained.wait()
        self._queued.append(event)
        self._held += weight_of(event)
        self._filled.set()
        if len(self._queued) >= self._records or self._held >= self._weight:
            self._drained.clear()

    async def take(self, records: int, weight: int = 64 * 1024 * 1024) -> list[EventT[bytes]]:
        """What has queued up, at least one event unless woken: never a timed wait for more.

        Args:
            records: No more than so many.
            weight: Nor more once they have so many bytes.
        """
        await self._filled.wait()
        await self._gather(records, weight)
        taken: list[EventT[bytes]] = []
        held = self._held
        while self._queued and len(taken) < records and held - self._held < weight:
            taken.append(self._queued.popleft())
            self._held -= weight_of(taken[-1])
        if not self._queued:
            self._filled.clear()
        if len(self._queued) < self._records // 2 and self._held < self._weight // 2:
            self._drained.set()
        return taken

    async def _gather(self, records: int, weight: int) -> None:
        """Lets Faust hand over what it has fetched, which takes it some turns of the loop."""
        still = 0
        while still < _STILL_TURNS and len(self._queued) < records and self._held < weight:
            before = len(self._queued)
            await asyncio.sleep(0)
            still = 0 if len(self._queued) > before else still + 1

    def wake(self) -> None:
        """Lets a take return though there may be nothing."""
        self._filled.set()

    def clear(self) -> None:
        self._queued.clear()
        self._held = 0
        self._filled.clear()
        self._drained.set()


class Lane:
    """The loop around one worker.

    Args:
        take_records: At most so many records make one chunk.
        take_bytes: Nor is another added once they are so large.
    """

    def __init__(self, worker: Worker, take_records: int, take_bytes: int) -> None:
        # Faust looks only once a second whether there is room again: until then there is work.
        self.inbox = Inbox(64 * take_records, 4 * take_bytes)
        self._worker = worker
        self._take_records = take_records
        self._take_bytes = take_bytes
        self._is_stopping = False
        self._unacked: list[EventT[bytes]] = []

    @property
    def offsets(self) -> dict[int, int]:
        return self._worker.offsets

    async def assigned(self, partitions: Collection[int]) -> dict[int, int]:
        """Gives up what it had, takes these over, and says where to read each from."""
        self.inbox.clear()
        self._unacked.clear()
        self._worker.revoked(list(self._worker.offsets))
        return await self._worker.assigned(partitions)

    def stop(self) -> None:
        """Takes no more."""
        self._is_stopping = True
        self.inbox.wake()

    async def run(self) -> None:
        """Returns once it is told to stop, the chunk in hand committed."""
        while not self._is_stopping:
            events = await self.inbox.take(self._take_records, self._take_bytes)
            if not events:
                continue
            await self._worker.process([_record(event) for event in events])
            done, self._unacked = self._unacked, events
            _acknowledge(done)
            await asyncio.sleep(0)  # lets Faust hand over what has arrived meanwhile
            if not len(self.inbox):
                await self._settle()
        await self._settle()

    async def _settle(self) -> None:
        await self._worker.settle()
        done, self._unacked = self._unacked, []
        _acknowledge(done)


def weight_of(event: EventT[bytes]) -> int:
    return len(event.message.value or b"")


def _acknowledge(events: Sequence[EventT[bytes]]) -> None:
    """Only what is committed in the store; in offset order."""
    for event in events:
        event.ack()


def _record(event: EventT[bytes]) -> Record:
    message: Any = event.message  # Faust leaves the type of headers open
    return Record(
        message.partition,
        message.offset,
        round(message.timestamp * 1000),
        message.value or b"",
        # A header without a value is not one without a name.
        tuple((name, value or b"") for name, value in message.headers or ()),
    )
