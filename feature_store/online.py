"""The online store on Redis: one script call commits a chunk and reads for the next."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Sequence
from datetime import timedelta
from errno import ECONNRESET
from hashlib import sha1
from typing import Any, cast

from hiredis import pack_command
from redis.asyncio import Connection, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from feature_store.fence import Commit, Reply, StoreUnavailable, Turn

# KEYS: fence, ring of ids, changed entities..., entities to read...
# ARGV: expected fence, new fence ('' commits nothing), seconds to live, changed entities,
#       pieces of the ring, (offset, bytes) of each piece..., states...
# Everything is decided before the first write: a script is not rolled back. The ring is written
# first: SETRANGE refuses what is no string, and SET takes any key.
SCRIPT = """
local fence = redis.call('GET', KEYS[1]) or ''
local changed, pieces = tonumber(ARGV[4]), tonumber(ARGV[5])
if ARGV[2] ~= '' and fence == ARGV[1] then
  local first = 5 + 2 * pieces
  for i = 0, pieces - 1 do
    redis.call('SETRANGE', KEYS[2], ARGV[6 + 2 * i], ARGV[7 + 2 * i])
  end
  for i = 1, changed do
    redis.call('SET', KEYS[2 + i], ARGV[first + i], 'EX', ARGV[3])
  end
  redis.call('SET', KEYS[1], ARGV[2])
  fence = ARGV[2]
end
local reply = {fence}
local from = 3 + changed
while from <= #KEYS do
  local till = math.min(from + 999, #KEYS)
  local values = redis.call('MGET', unpack(KEYS, from, till))
  for i = 1, #values do reply[#reply + 1] = values[i] end
  from = till + 1
end
return reply
"""
SCANNED = 1000
"""Keys looked at, or deleted, in one call."""
SCRIPT_SHA = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


class PackedConnection(Connection):
    """Packs commands in C, as the blocking client does; this one's own way is six times slower."""

    def pack_command(self, *args: Any) -> list[bytes]:
        name, *others = args
        words = name.encode().split() if isinstance(name, str) else name.split()
        return [pack_command((*words, *others))]

    async def _send_packed_command(self, command: Iterable[bytes]) -> None:
        try:
            await super()._send_packed_command(command)
        except RuntimeError as error:
            # What uvloop raises where the other side has closed; asyncio raises an OSError.
            raise ConnectionResetError(ECONNRESET, str(error)) from error


def connect(url: str, timeout: timedelta = timedelta(seconds=2)) -> Redis:
    """A client that never retries on its own: the worker retries, because it knows the fence."""
    seconds = timeout.total_seconds()
    return Redis.from_url(
        url,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
        max_connections=8,
        health_check_interval=0,
        connection_class=PackedConnection,
    )


def unavailable(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"redis: {type(error).__name__}: {error}")


class RedisOnlineStore:
    """State of one stage's partitions, each under its own hash tag: `{access.3}`.

    Args:
        stage: Names the hash tags: a pack, or a pack's further stage.
        kind: What the entities are, as it stands in their keys: `client`.
        keep: Time to live of an entity since its last event. It is garbage collection alone: at
            least the longest window and the topic's retention together. Fences never expire.
    """

    def __init__(self, redis: Redis, stage: str, kind: str, keep: timedelta) -> None:
        self._redis = redis
        self._stage = stage
        self._kind = kind
        self._keep_s = int(keep.total_seconds())

    async def load(self, partition: int) -> tuple[bytes, bytes]:
        tag = self._tag(partition)
        fence, seen = await self._answered(self._redis.mget(f"fence:{tag}", f"seen:{tag}"))
        return fence or b"", seen or b""

    async def state(self, partition: int, entity: str) -> bytes | None:
        key = f"{self._prefix(partition)}{entity}"
        return cast("bytes | None", await self._answered(self._redis.get(key)))

    async def forget(self, partition: int) -> None:
        found = self._redis.scan_iter(match=f"{self._prefix(partition)}*", count=SCANNED)
        try:
            keys = [key async for key in found]
        except (RedisError, OSError) as error:
            raise unavailable(error) from error
        for first in range(0, len(keys), SCANNED):
            await self._answered(self._redis.unlink(*keys[first : first + SCANNED]))

    async def exchange(self, turns: Sequence[Turn]) -> list[Reply]:
        try:
            answers = await self._run(turns)
        except NoScriptError:
            await self._answered(self._redis.script_load(SCRIPT))
            answers = await self._run(turns)
        return [Reply(answer[0], answer[1:]) for answer in answers]

    async def _run(self, turns: Sequence[Turn]) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for turn in turns:
            keys, arguments = self._call(turn)
            pipeline.evalsha(SCRIPT_SHA, len(keys), *keys, *arguments)
        return cast("list[Any]", await self._answered(pipeline.execute()))

    def _call(self, turn: Turn) -> tuple[list[str], list[Any]]:
        commit = turn.commit or Commit(b"", b"")
        tag, prefix = self._tag(turn.partition), self._prefix(turn.partition)
        keys = [f"fence:{tag}", f"seen:{tag}"]
        keys += [prefix + entity for entity in commit.states]
        keys += [prefix + entity for entity in turn.read]
        arguments: list[Any] = [commit.expected, commit.fence, self._keep_s]
        arguments += [len(commit.states), len(commit.seen)]
        for piece in commit.seen:
            arguments += piece
        arguments += commit.states.values()
        return keys, arguments

    async def _answered(self, call: Awaitable[Any] | Any) -> Any:  # redis-py types both worlds
        try:
            return await call
        except NoScriptError:
            raise
        except (RedisError, OSError) as error:
            raise unavailable(error) from error

    def _tag(self, partition: int) -> str:
        return f"{{{self._stage}.{partition}}}"

    def _prefix(self, partition: int) -> str:
        return f"feature:{self._tag(partition)}:{self._kind}:"
