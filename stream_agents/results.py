"""Where the decision agent leaves the answers to a batch, and where the API waits for them.

A batch is a hash, `result:<batch>`: the field `request` holds what the API needs to rebuild the
answer in any of its processes, and each part's lines stand under the part's number. The writer
sets a part, then names it on `reply:<api id>`, the channel of the API process that waits. A
notice may be lost; the hash may not, so a reader looks there after a time-out or a reconnect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import RedisError

from feature_store.online import PackedConnection
from models.errors import Unavailable
from stream_agents.answers import (
    REQUEST,
    Answer,
    Kept,
    MemoryResults,
    ResultStore,
    Waiters,
    notices,
    woken,
)

__all__ = ["Answer", "Kept", "MemoryResults", "RedisReplies", "RedisResults", "ResultStore"]

KEPT_S = 86_400
READY_S = 60
"""How long the key stays that asking whether Redis takes writes leaves behind."""
WRITE_RETRIES = 3
READ_RETRIES = 1
TIMEOUT_S = 1.0
CONNECTIONS = 16
"""Of one client; a command waits for a free one, as for its answer."""
QUIET_S = 5.0
"""A subscription that says nothing for so long is asked whether it is still there."""


class RedisResults:
    """`ResultStore` on Redis: one pipeline a call, whatever the number of answers."""

    def __init__(self, url: str) -> None:
        self._redis = connected(url, WRITE_RETRIES)

    async def write(self, answers: Sequence[Answer]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for answer in answers:
            key = f"result:{answer.batch}"
            pipeline.execute_command("HSETNX", key, answer.part, answer.lines)
            pipeline.expire(key, KEPT_S)
        for (reply, batch), parts in notices(answers).items():
            pipeline.publish(f"reply:{reply}", f"{batch} {' '.join(parts)}")
        await answered(pipeline.execute(), "answers cannot be written")

    async def aclose(self) -> None:
        await self._redis.aclose()


class RedisReplies:
    """`Replies` on Redis: one subscription, however many requests are waiting.

    Used as `async with RedisReplies(url, reply):`; a Redis that is away at the start or goes away
    later is awaited in the background.
    """

    def __init__(self, url: str, reply: str) -> None:
        self.reply = reply
        self.subscribed = asyncio.Event()
        self._redis = connected(url, READ_RETRIES)
        self._feed = connected(url, 0)
        self._waiters = Waiters()
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> RedisReplies:
        self._listening = asyncio.create_task(self._listen_forever())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening
        await self._feed.aclose()
        await self._redis.aclose()

    @property
    def waiting(self) -> int:
        return len(self._waiters)

    async def open(self, batch: str, request: bytes, parts: int) -> None:
        self._waiters.open(batch, parts)
        key = f"result:{batch}"
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.execute_command("HSET", key, REQUEST, request)
        pipeline.expire(key, KEPT_S)
        try:
            await answered(pipeline.execute(), f"result {batch} cannot be opened")
        except Unavailable:
            self._waiters.close(batch)
            raise

    async def wait(self, batch: str, timeout: float) -> Mapping[str, bytes]:
        waiter = self._waiters[batch]
        deadline = asyncio.get_running_loop().time() + timeout
        try:
            while True:
                in_time = await woken(waiter, deadline)
                kept = await self.read(batch)
                parts: Mapping[str, bytes] = {} if kept is None else kept.parts
                waiter.missing.difference_update(parts)
                if not (waiter.missing and in_time):
                    return parts
        finally:
            self._waiters.close(batch)

    def forget(self, batch: str) -> None:
        self._waiters.close(batch)

    async def read(self, batch: str) -> Kept | None:
        fields = await answered(
            self._redis.hgetall(f"result:{batch}"), f"result {batch} cannot be read"
        )
        request = fields.pop(REQUEST.encode(), None)
        if request is None:
            return None
        return Kept(request, {name.decode(): lines for name, lines in fields.items()})

    async def ping(self) -> None:
        # A Redis that is full answers PING, and refuses every batch.
        written = self._redis.set(f"ready:{self.reply}", b"", ex=READY_S)
        await answered(written, "nothing can be written")
        if not self.subscribed.is_set():
            raise Unavailable(f"redis: not subscribed to reply:{self.reply}")

    async def _listen_forever(self) -> None:
        while True:
            with suppress(RedisError, OSError, Unavailable):
                await self._listen()
            self.subscribed.clear()
            await asyncio.sleep(0.1)

    async def _listen(self) -> None:
        """Pass on what the channel says until the connection ends."""
        async with self._feed.pubsub() as channel:
            await channel.subscribe(f"reply:{self.reply}")
            asked = False
            while True:
                message = await channel.get_message(timeout=QUIET_S)
                if message is not None:
                    asked = False
                    self._heard(message)
                elif asked:
                    raise Unavailable(f"redis: reply:{self.reply} is silent, even to PING")
                else:
                    await channel.ping()
                    asked = True

    def _heard(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "subscribe":
            self.subscribed.set()
            self._waiters.look_again()
        elif message["type"] == "message":
            batch, *parts = message["data"].decode().split(" ")
            self._waiters.heard(batch, parts)


def connected(url: str, retries: int) -> Redis:
    """A client that connects on first use; whatever we send through it may be repeated."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=TIMEOUT_S,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), retries),
        health_check_interval=30,
        connection_class=PackedConnection,
    )
    return Redis.from_pool(pool)


async def answered(call: Awaitable[Any] | Any, what: str) -> Any:  # redis-py types both worlds
    try:
        return await call
    except (RedisError, OSError) as error:
        raise Unavailable(f"redis: {what}: {type(error).__name__}: {error}") from error
