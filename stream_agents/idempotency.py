"""Which requests were taken already, by the key that their sender gave them (`Idempotency-Key`).

A key stands for one batch. Whoever sends it first holds it for the time of a lease; if that
process dies, the next one to send the key goes on with the same batch, whose events and parts have
the same ids, so that what was published twice counts once.

On Redis a key is a hash, `idempotency:<sha256 of the key>`, kept for a day.

References:
    draft-ietf-httpapi-idempotency-key-header-07
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, Protocol, cast

from stream_agents.results import KEPT_S, READ_RETRIES, answered, connected

LEASE_S = 10.0
"""Longer than Kafka and Redis may take over a batch; a shorter one would only publish it twice."""

MOST = 10_000
"""Keys that are remembered in memory."""

# KEYS: the key. ARGV: fingerprint, batch, lease in ms, seconds that the key is kept.
CLAIM = """
local known = redis.call('HMGET', KEYS[1], 'fingerprint', 'batch', 'until')
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
local batch = known[2] or ARGV[2]
if known[1] and known[1] ~= ARGV[1] then return {'other', batch} end
if known[3] == 'done' then return {'done', batch} end
if known[3] and tonumber(known[3]) > now_ms then return {'in-flight', batch} end
redis.call('HSET', KEYS[1], 'fingerprint', ARGV[1], 'batch', batch,
  'until', string.format('%.0f', now_ms + ARGV[3]))
redis.call('EXPIRE', KEYS[1], ARGV[4])
return {'ours', batch}
"""
# KEYS: the key. ARGV: batch, then what its lease becomes; nothing forgets the key.
SET_LEASE = """
if redis.call('HGET', KEYS[1], 'batch') ~= ARGV[1] then return end
if ARGV[2] then redis.call('HSET', KEYS[1], 'until', ARGV[2]) else redis.call('DEL', KEYS[1]) end
"""

State = Literal["ours", "in-flight", "done", "other"]


@dataclass(frozen=True, slots=True)
class Claim:
    """What a key stands for.

    Args:
        state: ours: publish the batch; in-flight: another request is publishing it; done: it is
            in the log; other: the key came with another request first.
        batch: The batch's id, whoever made it.
    """

    state: State
    batch: str


class IdempotencyStore(Protocol):
    """The keys of a day; methods raise `Unavailable` when the store is away."""

    async def claim(self, key: str, fingerprint: str, batch: str) -> Claim:
        """Takes a key for a batch, unless it is taken.

        Args:
            fingerprint: Of all that the request asks for; another one is another request.
            batch: Id for the batch, if the key is new.
        """

    async def settle(self, key: str, batch: str) -> None:
        """The batch of a key is in the log."""

    async def release(self, key: str, batch: str) -> None:
        """Whoever comes next may go on with the batch."""

    async def forget(self, key: str, batch: str) -> None:
        """There was nothing to publish; the key is new again."""


@dataclass(slots=True)
class _Known:
    fingerprint: str
    batch: str
    until: float


class MemoryIdempotency:
    """`IdempotencyStore` in this process; beyond `MOST` keys the oldest are forgotten.

    Args:
        now: Seconds that never go back.
    """

    def __init__(self, lease_s: float = LEASE_S, now: Callable[[], float] = time.monotonic) -> None:
        self._lease_s = lease_s
        self._now = now
        self._keys: dict[str, _Known] = {}

    async def claim(self, key: str, fingerprint: str, batch: str) -> Claim:
        known = self._keys.setdefault(key, _Known(fingerprint, batch, float("-inf")))
        if known.fingerprint != fingerprint:
            return Claim("other", known.batch)
        if known.until > self._now():
            return Claim("done" if known.until == float("inf") else "in-flight", known.batch)
        known.until = self._now() + self._lease_s
        if len(self._keys) > MOST:
            del self._keys[next(iter(self._keys))]
        return Claim("ours", known.batch)

    async def settle(self, key: str, batch: str) -> None:
        self._set_lease(key, batch, float("inf"))

    async def release(self, key: str, batch: str) -> None:
        self._set_lease(key, batch, float("-inf"))

    async def forget(self, key: str, batch: str) -> None:
        if key in self._keys and self._keys[key].batch == batch:
            del self._keys[key]

    def _set_lease(self, key: str, batch: str, until: float) -> None:
        if key in self._keys and self._keys[key].batch == batch:
            self._keys[key].until = until


class RedisIdempotency:
    """`IdempotencyStore` on Redis."""

    def __init__(self, url: str, lease_s: float = LEASE_S) -> None:
        self._redis = connected(url, READ_RETRIES)
        self._lease_ms = str(int(lease_s * 1000))

    async def claim(self, key: str, fingerprint: str, batch: str) -> Claim:
        told = (fingerprint, batch, self._lease_ms, str(KEPT_S))
        call = self._redis.eval(CLAIM, 1, stored_as(key), *told)
        state, of = await answered(call, "a key cannot be claimed")
        return Claim(cast("State", state.decode()), of.decode())

    async def settle(self, key: str, batch: str) -> None:
        await self._set_lease(key, batch, "done")

    async def release(self, key: str, batch: str) -> None:
        await self._set_lease(key, batch, "0")

    async def forget(self, key: str, batch: str) -> None:
        await self._set_lease(key, batch)

    async def aclose(self) -> None:
        await self._redis.aclose()

    async def _set_lease(self, key: str, batch: str, *until: str) -> None:
        call = self._redis.eval(SET_LEASE, 1, stored_as(key), batch, *until)
        await answered(call, "a key cannot be settled")


def stored_as(key: str) -> str:
    """The name of a key in Redis; a client's own words do not become names there."""
    return f"idempotency:{sha256(key.encode()).hexdigest()}"
