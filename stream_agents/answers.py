"""What the decision agent answers about a batch, and how an API process waits for it.

`results.py` keeps these promises on Redis; the classes here keep them in memory, for tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

REQUEST = "request"
"""The field beside a batch's parts that holds what the API noted."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The actions taken on one part of a batch.

    Args:
        batch: The record's header `batch`.
        part: The record's header `part`: "0", "1", ...
        reply: The record's header `reply`; empty if nobody is to be notified.
        lines: NDJSON of `ActionTaken`, in the order of the part's events.
    """

    batch: str
    part: str
    reply: str
    lines: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a batch: what the API noted when it came, and the parts that are there."""

    request: bytes
    parts: Mapping[str, bytes]


class ResultStore(Protocol):
    """The writer's side."""

    async def write(self, answers: Sequence[Answer]) -> None:
        """Keep each answer for a day and notify; of a part written twice, the first copy stays.

        Raises:
            Unavailable: Nothing is known about what was written; writing again is harmless.
        """


class Replies(Protocol):
    """The reader's side, one per API process; `reply` goes into the records' header."""

    reply: str

    @property
    def waiting(self) -> int:
        """How many batches are listened for."""

    async def open(self, batch: str, request: bytes, parts: int) -> None:
        """Start to listen for a batch's parts; called before the batch is produced."""

    async def wait(self, batch: str, timeout: float) -> Mapping[str, bytes]:
        """The parts of an opened batch that came within `timeout` seconds; ends the listening."""

    def forget(self, batch: str) -> None:
        """End the listening without waiting."""

    async def read(self, batch: str) -> Kept | None:
        """A batch of any API process; None if it is unknown or older than a day."""

    async def ping(self) -> None:
        """Raises `Unavailable` if no answer could come through."""


@dataclass(slots=True)
class Waiter:
    missing: set[str]
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Waiters:
    """The batches that one process waits for."""

    def __init__(self) -> None:
        self._waiters: dict[str, Waiter] = {}

    def __len__(self) -> int:
        return len(self._waiters)

    def __getitem__(self, batch: str) -> Waiter:
        return self._waiters[batch]

    def open(self, batch: str, parts: int) -> None:
        self._waiters[batch] = Waiter({str(part) for part in range(parts)})

    def close(self, batch: str) -> None:
        self._waiters.pop(batch, None)

    def heard(self, batch: str, parts: Sequence[str]) -> None:
        """Wake the waiter of a batch whose last missing part has come."""
        if (waiter := self._waiters.get(batch)) is None:
            return
        waiter.missing.difference_update(parts)
        if not waiter.missing:
            waiter.woken.set()

    def look_again(self) -> None:
        """Wake everyone: notices may have been lost."""
        for waiter in self._waiters.values():
            waiter.woken.set()


async def woken(waiter: Waiter, deadline: float) -> bool:
    """Whether something happened before the deadline, in the event loop's time."""
    try:
        async with asyncio.timeout_at(deadline):
            await waiter.woken.wait()
    except TimeoutError:
        return False
    waiter.woken.clear()
    return True


def notices(answers: Sequence[Answer]) -> dict[tuple[str, str], list[str]]:
    """Which parts to name to whom about which batch."""
    named: dict[tuple[str, str], list[str]] = {}
    for answer in answers:
        if answer.reply:
            named.setdefault((answer.reply, answer.batch), []).append(answer.part)
    return named


FIELD_BYTES = 300
"""What a part takes beside its lines."""


def size_of(part: bytes) -> int:
    return len(part) + FIELD_BYTES


class MemoryResults:
    """`ResultStore` in this process, with the readers that listen to it.

    Args:
        most_bytes: Of all batches, about; beyond it the oldest go. All are kept if None.
    """

    def __init__(self, most_bytes: int | None = None) -> None:
        self.batches: dict[str, dict[str, bytes]] = {}
        self.readers: dict[str, Waiters] = {}
        self._most_bytes = most_bytes
        self._held = 0

    async def write(self, answers: Sequence[Answer]) -> None:
        for answer in answers:
            self.put(answer.batch, answer.part, answer.lines)
        for (reply, batch), parts in notices(answers).items():
            if reply in self.readers:
                self.readers[reply].heard(batch, parts)

    def put(self, batch: str, field: str, value: bytes) -> None:
        """Keeps a field of a batch, unless it is there."""
        fields = self.batches.setdefault(batch, {})
        if field not in fields:
            fields[field] = value
            self._held += size_of(value)
            self._forget_oldest(batch)

    def _forget_oldest(self, but: str) -> None:
        limit = self._most_bytes
        while limit is not None and self._held > limit:
            if (oldest := next(iter(self.batches))) == but:
                return
            self._held -= sum(map(size_of, self.batches.pop(oldest).values()))

    def replies(self, reply: str) -> MemoryReplies:
        return MemoryReplies(self, reply)


class MemoryReplies:
    """`Replies` on a `MemoryResults`."""

    def __init__(self, results: MemoryResults, reply: str) -> None:
        self.reply = reply
        self._results = results
        self._waiters = results.readers.setdefault(reply, Waiters())

    @property
    def waiting(self) -> int:
        return len(self._waiters)

    async def open(self, batch: str, request: bytes, parts: int) -> None:
        self._waiters.open(batch, parts)
        self._results.put(batch, REQUEST, request)

    async def wait(self, batch: str, timeout: float) -> Mapping[str, bytes]:
        deadline = asyncio.get_running_loop().time() + timeout
        try:
            await woken(self._waiters[batch], deadline)
        finally:
            self._waiters.close(batch)
        kept = await self.read(batch)
        return {} if kept is None else kept.parts

    def forget(self, batch: str) -> None:
        self._waiters.close(batch)

    async def read(self, batch: str) -> Kept | None:
        fields = dict(self._results.batches.get(batch, {}))
        request = fields.pop(REQUEST, None)
        return None if request is None else Kept(request, fields)

    async def ping(self) -> None:
        return None
