"""The newest answers other than allow, kept so that they can be explained.

On Redis they are a stream, `decisions:{<pack>}`, and an index from event id to its entry,
`decision-index:{<pack>}`. One script adds to both and takes the oldest off both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from stream_agents.results import READ_RETRIES, WRITE_RETRIES, answered, connected
from stream_agents.stage import KeptDecision, Place

MOST = 20_000
"""Decisions of a pack that are kept, unless set otherwise."""

# KEYS: stream, index. ARGV: how many to keep, then event id, epoch, place and line of each.
# An index entry is `<entry of the stream> <epoch>`. Of an id, the first copy of an epoch stays.
KEEP = """
local stream, index = KEYS[1], KEYS[2]
for i = 2, #ARGV, 4 do
  local id, epoch = ARGV[i], ARGV[i + 1]
  local known = redis.call('HGET', index, id)
  if not known or string.sub(known, string.find(known, ' ', 1, true) + 1) ~= epoch then
    local entry = redis.call('XADD', stream, '*', 'event', id, 'epoch', epoch,
      'place', ARGV[i + 2], 'line', ARGV[i + 3])
    redis.call('HSET', index, id, entry .. ' ' .. epoch)
  end
end
local excess = redis.call('XLEN', stream) - tonumber(ARGV[1])
if excess <= 0 then return end
for _, oldest in ipairs(redis.call('XRANGE', stream, '-', '+', 'COUNT', excess)) do
  local id, epoch = oldest[2][2], oldest[2][4]
  if redis.call('HGET', index, id) == oldest[1] .. ' ' .. epoch then
    redis.call('HDEL', index, id)
  end
end
redis.call('XTRIM', stream, 'MAXLEN', ARGV[1])
"""


class DecisionStore(Protocol):
    """The newest decisions of a pack, by event id; methods raise `Unavailable`."""

    async def keep(self, decisions: Sequence[KeptDecision]) -> None:
        """Adds decisions and lets the oldest go.

        Of an event id that is kept already the first copy stays, unless that one is of another
        topic that had the name.
        """

    async def find(self, event_id: str) -> KeptDecision | None:
        """The decision about an event; None where none is kept."""


class MemoryDecisions:
    """`DecisionStore` in this process."""

    def __init__(self, most: int = MOST) -> None:
        self.kept: dict[str, KeptDecision] = {}
        self._most = most

    async def keep(self, decisions: Sequence[KeptDecision]) -> None:
        for decision in decisions:
            known = self.kept.get(decision.event_id)
            if known is None or known.epoch != decision.epoch:
                self.kept.pop(decision.event_id, None)
                self.kept[decision.event_id] = decision
        while len(self.kept) > self._most:
            del self.kept[next(iter(self.kept))]

    async def find(self, event_id: str) -> KeptDecision | None:
        return self.kept.get(event_id)


class RedisDecisions:
    """`DecisionStore` on Redis.

    Args:
        most: How many are kept.
    """

    def __init__(self, url: str, pack: str, most: int = MOST) -> None:
        self._keys = (f"decisions:{{{pack}}}", f"decision-index:{{{pack}}}")
        self._most = most
        self._writing = connected(url, WRITE_RETRIES)
        self._reading = connected(url, READ_RETRIES)

    async def keep(self, decisions: Sequence[KeptDecision]) -> None:
        told: list[bytes | str] = [str(self._most)]
        for decision in decisions:
            place = decision.place.text if decision.place else ""
            told += (decision.event_id, decision.epoch, place, decision.line)
        call = self._writing.eval(KEEP, len(self._keys), *self._keys, *told)
        await answered(call, "decisions cannot be kept")

    async def find(self, event_id: str) -> KeptDecision | None:
        stream, index = self._keys
        what = "kept decisions cannot be read"
        known = await answered(self._reading.hget(index, event_id), what)
        if known is None:
            return None
        entry = known.partition(b" ")[0]
        found = await answered(self._reading.xrange(stream, entry, entry), what)
        # Between the two questions it may have become too old.
        return decision_of(found[0][1]) if found else None

    async def aclose(self) -> None:
        await self._writing.aclose()
        await self._reading.aclose()


def decision_of(fields: Mapping[bytes, bytes]) -> KeptDecision:
    return KeptDecision(
        fields[b"event"].decode(),
        fields[b"epoch"].decode(),
        Place.read(fields[b"place"].decode()),
        fields[b"line"],
    )
