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


class Inbox:
    """Records on their way from Faust to the worker; bounded, so that Faust pauses fetching."""

    def __init__(self, capacity: int) -> None:
        self._queued: deque[EventT[bytes]] = deque()
        self._capacity = capacity
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()

    def __len__(self) -> int:
        return len(self._queued)

    async def put(self, event: EventT[bytes]) -> None:
        await self._drained.wait()
        self._queued.append(event)
        self._filled.set()
        if len(self._queued) >= self._capacity:
            self._drained.clear()

    async def take(self, most: int) -> list[EventT[bytes]]:
        """What has queued up, at least one event unless woken: never a timed wait for more."""
        await self._filled.wait()
        taken = [self._queued.popleft() for _ in range(min(most, len(self._queued)))]
        if not self._queued:
            self._filled.clear()
        if len(self._queued) < self._capacity // 2:
            self._drained.set()
        return taken

    def wake(self) -> None:
        """Lets a take return though there may be nothing."""
        self._filled.set()

    def clear(self) -> None:
        self._queued.clear()
        self._filled.clear()
        self._drained.set()


class Lane:
    """The loop around one worker.

    Args:
        take_records: At most so many records make one chunk.
    """

    def __init__(self, worker: Worker, take_records: int) -> None:
        self.inbox = Inbox(4 * take_records)
        self._worker = worker
        self._take_records = take_records
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
            events = await self.inbox.take(self._take_records)
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
