"""A pack's lists and policy changes on Redis, beside the answers and through the same client.

`lists:{access}` is a hash of `allow 203.0.113.0/24` to the entry as JSON, and
`lists:{access}:ends` orders those fields by the time when they may be forgotten. `policy:{access}`
is the policy file as JSON. Each has a number beside it, `...:revision`, which every change raises.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Any, Literal, cast

import msgspec

from models.lists import Entry, Lists
from models.regime import PolicyFile
from stream_agents.regimes import MOST_ENTRIES, Stored, cleared, forgotten_at, full
from stream_agents.results import READ_RETRIES, answered, connected

ENTRY = msgspec.json.Decoder(Entry)
POLICY = msgspec.json.Decoder(PolicyFile)
ENCODER = msgspec.json.Encoder()

# KEYS: entries, their ends, revision. ARGV[1]: now, microseconds.
FORGET = """
local ended = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, 1000)
for _, field in ipairs(ended) do
  redis.call('HDEL', KEYS[1], field)
  redis.call('ZREM', KEYS[2], field)
end
local function put(field, entry, forgotten_at)
  redis.call('HSET', KEYS[1], field, entry)
  if forgotten_at == 'inf' then
    redis.call('ZREM', KEYS[2], field)
  else
    redis.call('ZADD', KEYS[2], forgotten_at, field)
  end
end
"""
# ARGV[2..4]: field, entry, when it may be forgotten. ARGV[5]: the most entries.
ADD = f"""{FORGET}
if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0
  and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then return -1 end
put(ARGV[2], ARGV[3], ARGV[4])
return redis.call('INCR', KEYS[3])
"""
# ARGV[2]: field. ARGV[3..5]: field, entry and forgetting of what is left of it, or nothing.
REMOVE = f"""{FORGET}
if redis.call('HDEL', KEYS[1], ARGV[2]) == 0 then return -1 end
redis.call('ZREM', KEYS[2], ARGV[2])
if ARGV[3] then put(ARGV[3], ARGV[4], ARGV[5]) end
return redis.call('INCR', KEYS[3])
"""
REFUSED = -1


class RedisRegimes:
    """`RegimeStore` of one pack on Redis."""

    def __init__(self, url: str, pack: str) -> None:
        self._redis = connected(url, READ_RETRIES)
        entries, policy = f"lists:{{{pack}}}", f"policy:{{{pack}}}"
        self._lists = (entries, f"{entries}:ends", f"{entries}:revision")
        self._policy = (policy, f"{policy}:revision")

    async def revisions(self) -> tuple[int, int]:
        call = self._redis.mget(self._lists[2], self._policy[1])
        lists, policy = await answered(call, "revisions cannot be read")
        return int(lists or 0), int(policy or 0)

    async def read(self) -> Stored:
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.get(self._lists[2])
        pipeline.hgetall(self._lists[0])
        pipeline.get(self._policy[1])
        pipeline.get(self._policy[0])
        found = await answered(pipeline.execute(), "lists cannot be read")
        # A hundred thousand entries take a second, in which the agent goes on folding.
        return await asyncio.to_thread(stored, *found)

    async def add(self, entry: Entry, now_us: int) -> int:
        call = self._redis.eval(
            ADD, len(self._lists), *self._lists, str(now_us), *put(entry), str(MOST_ENTRIES)
        )
        revision = cast("int", await answered(call, f"{entry.name} cannot be listed"))
        if revision == REFUSED:
            raise full()
        return revision

    async def remove(self, listed: Literal["allow", "deny"], name: str, now_us: int) -> int | None:
        left = put(cleared(name, now_us)) if listed == "allow" else ()
        call = self._redis.eval(
            REMOVE, len(self._lists), *self._lists, str(now_us), f"{listed} {name}", *left
        )
        revision = cast("int", await answered(call, f"{name} cannot be taken off the list"))
        return None if revision == REFUSED else revision

    async def change_policy(self, policy: PolicyFile | None) -> int:
        pipeline = self._redis.pipeline(transaction=True)
        if policy is None:
            pipeline.delete(self._policy[0])
        else:
            pipeline.set(self._policy[0], ENCODER.encode(policy))
        pipeline.incr(self._policy[1])
        changed = await answered(pipeline.execute(), "the policy cannot be changed")
        return cast("int", changed[-1])

    async def aclose(self) -> None:
        await self._redis.aclose()


def put(entry: Entry) -> tuple[str, bytes, str]:
    """The field of an entry, its value, and when both may be forgotten."""
    at = forgotten_at(entry)
    return (
        f"{entry.listed} {entry.name}",
        ENCODER.encode(entry),
        "inf" if at == math.inf else f"{at:.0f}",
    )


def stored(
    revision: bytes | None,
    fields: Mapping[bytes, bytes],
    policy_revision: bytes | None,
    policy: bytes | None,
) -> Stored:
    """What the four keys hold; what cannot be read is left out and named."""
    entries, unreadable = [], []
    for field, value in fields.items():
        entry = _read(ENTRY, value)
        if entry is None:
            unreadable.append(field.decode(errors="replace"))
        else:
            entries.append(entry)
    changes = _read(POLICY, policy) if policy else None
    if policy and changes is None:
        unreadable.append("policy")
    lists = Lists(int(revision or 0), entries)
    return Stored(lists, changes, int(policy_revision or 0), tuple(unreadable))


def _read(decoder: msgspec.json.Decoder[Any], value: bytes) -> Any:  # an entry or a policy
    try:
        return decoder.decode(value)
    except msgspec.DecodeError:
        return None
