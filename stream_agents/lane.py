"""The queues between Faust and the worker, and the loops that take chunks from them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from typing import Any

from faust.types import EventT

from producer.records import Record
from stream_agents.heap import Heap
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

    @property
    def weight(self) -> int:
        """Bytes that wait."""
        return self._held

    async def put(self, event: EventT[bytes]) -> None:
        await self._drained.wait()
        self._queued.append(event)
        self._held += weight_of(event)
        self._filled.set()
        if len(self._queued) >= self._records or self._held >= self._weight:
            self._drained.clear()

    async def filled(self) -> None:
        """Returns once there is an event, or it is woken."""
        await self._filled.wait()

    def take(self, records: int, weight: int = 64 * 1024 * 1024) -> list[EventT[bytes]]:
        """What has queued up.

        Args:
            records: No more than so many.
            weight: Nor more once they have so many bytes.
        """
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

    def wake(self) -> None:
        """Lets `filled` return though there may be nothing."""
        self._filled.set()

    def clear(self) -> None:
        self._queued.clear()
        self._held = 0
        self._filled.clear()
        self._drained.set()


class Lane:
    """Some of an agent's partitions: what waits of them, and whether a loop is at it."""

    def __init__(self, take_records: int, take_bytes: int) -> None:
        # Faust looks only once a second whether there is room again: until then there is work.
        self.inbox = Inbox(64 * take_records, 4 * take_bytes)
        self.turn = asyncio.Lock()
        self.unacked: list[EventT[bytes]] = []

    def clear(self) -> None:
        self.inbox.clear()
        self.unacked.clear()

    def processed(self, events: list[EventT[bytes]]) -> None:
        """Acknowledges what was committed on the way: all that came before these."""
        done, self.unacked = self.unacked, events
        for event in done:  # in offset order
            event.ack()


class Lanes:
    """The loops around a worker: while one waits for Redis or Kafka, another computes.

    Each partition belongs to one lane, and a lane is strictly sequential. Where little waits, a
    loop takes along what waits for its idle neighbours: a batch's slices then make one chunk.

    Args:
        count: So many lanes.
        take_records: At most so many records make one chunk.
        take_bytes: Nor is another added once they are so large.
    """

    def __init__(self, worker: Worker, count: int, take_records: int, take_bytes: int) -> None:
        self._worker = worker
        self._lanes = [Lane(take_records, take_bytes) for _ in range(count)]
        self._take_records = take_records
        self._take_bytes = take_bytes
        self._is_stopping = False
        self._heap = Heap()

    async def put(self, event: EventT[bytes]) -> None:
        await self._lanes[event.message.partition % len(self._lanes)].inbox.put(event)

    async def assigned(self, partitions: Collection[int]) -> dict[int, int]:
        """Gives up what there was, takes these over, and says where to read each from."""
        for lane in self._lanes:
            lane.clear()
        self._worker.revoked(list(self._worker.offsets))
        return await self._worker.assigned(partitions)

    def stop(self) -> None:
        """Takes no more."""
        self._is_stopping = True
        for lane in self._lanes:
            lane.inbox.wake()

    async def run(self) -> None:
        """Returns once it is told to stop, the chunks in hand committed."""
        # The first error ends all: what is not committed is done again by the next owner.
        await asyncio.gather(*map(self._run, self._lanes))

    async def _run(self, lane: Lane) -> None:
        while not self._is_stopping:
            await lane.inbox.filled()
            await self._gather()
            async with AsyncExitStack() as turns:
                group = await self._joined(lane, turns)
                await self._take(group)
        async with lane.turn:
            await self._settle([lane])

    async def _gather(self) -> None:
        """Lets Faust hand over what it has fetched, which takes it some turns of the loop."""
        still, waiting = 0, self._waiting(self._lanes)
        while still < _STILL_TURNS and self._fits(self._lanes):
            await asyncio.sleep(0)
            before, waiting = waiting, self._waiting(self._lanes)
            still = 0 if waiting > before else still + 1

    async def _joined(self, lane: Lane, turns: AsyncExitStack) -> list[Lane]:
        """A lane whose turn it is, with the neighbours whose turn it may take."""
        await turns.enter_async_context(lane.turn)
        group = [lane]
        for other in self._lanes:
            if len(other.inbox) and not other.turn.locked() and self._fits([*group, other]):
                await turns.enter_async_context(other.turn)
                group.append(other)
        return group

    async def _take(self, group: Sequence[Lane]) -> None:
        taken = [lane.inbox.take(self._take_records, self._take_bytes) for lane in group]
        records = [_record(event) for events in taken for event in events]
        if not records:
            return
        await self._worker.process(records, self._partitions(group))
        for lane, events in zip(group, taken, strict=True):
            lane.processed(events)
        await asyncio.sleep(0)  # lets Faust hand over what has arrived meanwhile
        if idle := [lane for lane in group if not len(lane.inbox)]:
            await self._settle(idle)
        self._heap.passed(sum(len(record.value) for record in records))
        if not self._waiting(self._lanes):
            self._heap.give_back()

    async def _settle(self, group: Sequence[Lane]) -> None:
        await self._worker.settle(self._partitions(group))
        for lane in group:
            lane.processed([])

    def _partitions(self, group: Sequence[Lane]) -> set[int]:
        held, count = self._worker.offsets, len(self._lanes)
        return {partition for partition in held if self._lanes[partition % count] in group}

    def _waiting(self, group: Sequence[Lane]) -> int:
        return sum(len(lane.inbox) for lane in group)

    def _fits(self, group: Sequence[Lane]) -> bool:
        """Whether what waits for these lanes fits into one chunk."""
        weight = sum(lane.inbox.weight for lane in group)
        return self._waiting(group) <= self._take_records and weight <= self._take_bytes


def weight_of(event: EventT[bytes]) -> int:
    return len(event.message.value or b"")


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
