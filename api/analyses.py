"""A batch on its way: into the log, and back as answers."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from api.assembly import Asked, answer, asked_of
from api.batch import Batch
from api.schemas import Analysis, Pending
from models.errors import Unavailable
from producer.partitioning import partition_of
from producer.publisher import records_of
from producer.records import OutRecord
from stream_agents.answers import Replies

Note = Callable[[], Awaitable[None]]


async def nothing() -> None:
    """There is nothing to note."""


class Publisher(Protocol):
    async def send(self, records: Sequence[OutRecord]) -> None:
        """Returns once all are acknowledged; raises `Unavailable` where that is not known."""


class Analyses:
    """Publishes batches and finds their answers.

    Args:
        partitions: Of `events.<pack>`.
    """

    def __init__(self, publisher: Publisher, replies: Replies, partitions: int) -> None:
        self._publisher = publisher
        self._replies = replies
        self._partitions = partitions
        self._sending: set[asyncio.Task[None]] = set()

    async def submit(
        self, batch: Batch, trace: str, wait_s: float | None, published: Note = nothing
    ) -> Analysis | Pending:
        """Publish a batch and wait for its answers, but not for longer than `wait_s` seconds.

        Args:
            wait_s: None for not even looking whether there are answers.
            published: Called once the batch is in the log, even if nobody waits any more.

        Raises:
            Unavailable: It is not known whether the batch is in the log.
        """
        records = records_of(
            batch.pack.name,
            batch.events,
            self._partitions,
            batch=batch.id,
            reply=self._replies.reply,
            trace=trace,
        )
        places = places_of(batch, records, self._partitions)
        asked = Asked(batch.pack.name, places, dict(batch.rejected))
        # Open before sending: an answer may be back before `send` returns.
        await self._replies.open(batch.id, asked.encoded(), len(records))
        try:
            await self._unbroken(self._publish(records, published))
            answers = {} if wait_s is None else await self._answers(batch.id, wait_s)
            return answer(batch.id, asked, answers)
        finally:
            self._replies.forget(batch.id)

    async def find(self, batch_id: str) -> Analysis | Pending | None:
        """A batch as far as it is answered, whichever API process took it."""
        kept = await self._replies.read(batch_id)
        return None if kept is None else answer(batch_id, asked_of(kept.request), kept.parts)

    async def _answers(self, batch_id: str, wait_s: float) -> Mapping[str, bytes]:
        try:
            return await self._replies.wait(batch_id, wait_s)
        except Unavailable:
            return {}  # the batch is in the log, so it is pending rather than lost
        except asyncio.CancelledError:
            # The process ends, and lets nobody wait any longer: the batch is pending all the same.
            if task := asyncio.current_task():
                task.uncancel()
            return {}

    async def _publish(self, records: Sequence[OutRecord], published: Note) -> None:
        await self._publisher.send(records)
        await published()

    async def _unbroken(self, send: Awaitable[None]) -> None:
        """Send to the end, even if the client goes away meanwhile."""
        task = asyncio.ensure_future(send)
        self._sending.add(task)
        task.add_done_callback(self._sent)
        await asyncio.shield(task)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        if not task.cancelled():
            task.exception()  # a client that is gone is not told


def places_of(batch: Batch, records: Sequence[OutRecord], partitions: int) -> list[list[int]]:
    """Where each record's lines stand in the request.

    Records keep the order of the events of a partition, so each takes its partition's next ones.
    """
    waiting: dict[int, deque[int]] = defaultdict(deque)
    for (_, entity, _), place in zip(batch.events, batch.places, strict=True):
        waiting[partition_of(entity, partitions)].append(place)
    return [
        [waiting[record.partition].popleft() for _ in range(record.value.count(b"\n") + 1)]
        for record in records
    ]
