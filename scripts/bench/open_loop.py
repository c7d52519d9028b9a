"""HTTP requests that are due at fixed times, whether or not earlier ones were answered.

Latency counts from the time at which a request was due, also when the sender is late, so a stall
is seen by all requests that it delays (no coordinated omission).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

TIMEOUT_S = 5.0
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
SUMMARY = re.compile(rb'"decided": ?(\d+)')
BATCH = re.compile(rb'"batch_id": ?"([^"]+)"')
HEADERS = f"Host: bench\r\nContent-Type: application/x-ndjson\r\nPrefer: wait={TIMEOUT_S:.0f}\r\n"
KEPT = 600
"""Of an answer: its summary stands at the beginning."""
IDLE_S = 2.0
"""A connection that rested longer is not used again: the server may be about to close it."""


@dataclass(slots=True)
class Answer:
    """Of one request; all times are Unix times. A time-out counts as the time-out."""

    due_s: float
    sent_s: float = 0.0
    answered_s: float = 0.0
    status: int = 0
    decided: int = 0
    batch: str = ""

    @property
    def latency_ms(self) -> float:
        if not self.status:
            return 1000 * TIMEOUT_S
        return 1000 * (self.answered_s - self.due_s)

    def take(self, summary: bytes) -> None:
        """What the beginning of an answer says of its batch."""
        if decided := SUMMARY.search(summary):
            self.decided = int(decided[1])
        if batch := BATCH.search(summary):
            self.batch = batch[1].decode()


@dataclass(frozen=True, slots=True)
class Latencies:
    """What an open loop has measured, in milliseconds."""

    rate_per_s: float
    requests: int
    not_200: int
    timed_out: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    late_sends: int
    """Requests that the sender itself could not send within 5 ms of their time."""

    @classmethod
    def of(cls, rate: float, answers: Sequence[Answer]) -> Latencies:
        told = np.array([answer.latency_ms for answer in answers])
        p50, p99, p999 = np.percentile(told, [50, 99, 99.9]).round(2).tolist()
        return cls(
            rate,
            len(answers),
            sum(answer.status != 200 for answer in answers),
            sum(answer.status == 0 for answer in answers),
            p50,
            p99,
            p999,
            round(float(told.max()), 2),
            sum(answer.sent_s - answer.due_s > 0.005 for answer in answers),
        )


@dataclass(slots=True)
class Connections:
    """Keep-alive connections to one server, opened as they are needed."""

    host: str
    port: int
    _idle: deque[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = field(
        default_factory=deque
    )

    async def post(self, path: str, body: bytes, answer: Answer) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._post(path, body, answer)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            answer.answered_s = time.time()

    async def _post(self, path: str, body: bytes, answer: Answer) -> None:
        while self._idle and self._idle[0][0] < time.time() - IDLE_S:
            self._idle.popleft()[2].close()
        if self._idle:
            _, reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection(self.host, self.port, limit=2**24)
        try:
            answer.sent_s = time.time()
            head = f"POST {path} HTTP/1.1\r\n{HEADERS}Content-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            told = await reader.readuntil(b"\r\n\r\n")
            length = LENGTH.search(told)
            content = await reader.readexactly(int(length[1])) if length else b""
        except BaseException:
            writer.close()
            raise
        answer.answered_s = time.time()
        answer.status = int(told[9:12])
        answer.take(content[:KEPT])
        self._idle.append((answer.answered_s, reader, writer))

    def close(self) -> None:
        for *_, writer in self._idle:
            writer.close()


async def open_loop(
    url: str, path: str, bodies: Sequence[bytes], rate_per_s: float
) -> list[Answer]:
    """One answer a body, in the order in which they were due."""
    host, _, port = url.removeprefix("http://").partition(":")
    connections = Connections(host, int(port))
    began = time.time() + 0.05
    answers = [Answer(began + number / rate_per_s) for number in range(len(bodies))]
    async with asyncio.TaskGroup() as group:
        for body, answer in zip(bodies, answers, strict=True):
            wait = answer.due_s - time.time()
            if wait > 0:
                await asyncio.sleep(wait)
            group.create_task(connections.post(path, body, answer))
    connections.close()
    return answers
