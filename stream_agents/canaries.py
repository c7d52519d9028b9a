"""Events of ours through the whole path, to see whether events are answered, and how soon.

A canary goes into `events.<pack>` as any other producer's event, and both agents answer it as they
answer anybody's. Its client is a test client of the pack: nobody else has its name, so it is in
nobody's features, and it is allowed, so it is not among the kept decisions. In the books it is an
event as any other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import uuid4

import msgspec
import structlog

from models.contracts import ActionTaken
from models.errors import Unavailable
from models.pack import DomainPack
from producer.records import OutRecord, events_topic
from stream_agents.answers import Replies
from stream_agents.audit_metrics import AuditMetrics

log = structlog.get_logger(__name__)

WITHIN_S = 10.0
"""A canary without an answer for so long has failed."""
TAKEN = msgspec.json.Decoder(ActionTaken)


class Sender(Protocol):
    """What puts records into the log; `AsyncPublisher` is one."""

    async def send(self, records: Sequence[OutRecord]) -> None:
        """Returns when all are acknowledged; raises `Unavailable`."""


@dataclass(frozen=True, slots=True)
class Canaries:
    """Sends canaries and waits for their answers.

    Args:
        forget: Deletes what is kept of a batch that was answered.
    """

    pack: DomainPack
    partitions: int
    sender: Sender
    replies: Replies
    metrics: AuditMetrics
    forget: Callable[[str], Awaitable[None]]
    within_s: float = WITHIN_S

    async def round(self) -> None:
        """One through each partition, all at once."""
        await asyncio.gather(*(self._through(partition) for partition in range(self.partitions)))

    async def _through(self, partition: int) -> None:
        started = time.perf_counter()
        try:
            await self._answered(partition)
        except (Unavailable, msgspec.DecodeError) as error:
            self.metrics.canary_failed(partition)
            log.error("canary failed", partition=partition, error=str(error))
        else:
            self.metrics.canary_answered(partition, time.perf_counter() - started)

    async def _answered(self, partition: int) -> None:
        """Raises Unavailable where no answer comes, or one that is no decision."""
        batch = f"canary-{uuid4().hex}"
        # As the API notes a batch, so that whoever asks for it is answered.
        noted = msgspec.json.encode({"pack": self.pack.name, "parts": [[0]], "rejected": {}})
        await self.replies.open(batch, noted, 1)
        try:
            await self.sender.send([self._record(batch, partition)])
        except Unavailable:
            self.replies.forget(batch)
            raise
        parts = await self.replies.wait(batch, self.within_s)
        if not parts:
            raise Unavailable(f"no answer within {self.within_s:g} s")
        outcome = TAKEN.decode(parts["0"]).outcome
        if outcome != "decided":
            raise Unavailable(f"the answer is {outcome}")
        await self.forget(batch)

    def _record(self, batch: str, partition: int) -> OutRecord:
        assert self.pack.canary is not None
        occurred_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = msgspec.json.encode(self.pack.canary(batch, occurred_at))
        named = {"batch": batch, "part": "0", "reply": self.replies.reply}
        headers = tuple((name, value.encode()) for name, value in named.items())
        return OutRecord(events_topic(self.pack.name), partition, line, headers)
