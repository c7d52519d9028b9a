"""The newest answers other than allow, kept so that they can be listed and explained.

On Redis they are a stream, `decisions:{<pack>}`, and an index from event id to its entry,
`decision-index:{<pack>}`. One script adds to both and takes the oldest off both.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Protocol

from stream_agents.decided import History, Page, Position, Wanted, page_of
from stream_agents.results import READ_RETRIES, WRITE_RETRIES, answered, connected
from stream_agents.stage import KeptDecision, Place

MOST = 20_000
"""Decisions of a pack that are kept, unless set otherwise."""

AT_ONCE = 250
"""Entries that are read in one command, about half a megabyte."""

LAST = (1 << 64) - 1
"""The greatest number of an entry within a millisecond."""

# KEYS: stream, index. ARGV: how many to keep, then event id, epoch, place and line of each.
# An index entry is `<entry of the stream> <epoch>`. Of an id, the first copy of an epoch stays.
KEEP = """
local stream, index = KEYS[1], KEYS[2]
for i = 2, #ARGV, 4 do
  local id, epoch = ARGV[i], ARGV[i + 1]
  local known = redis.call('HGET', index, id)
  local blank = known and string.find(known, ' ', 1, true)
  if not known or string.sub(known, blank + 1) ~= epoch then
    if known then redis.call('XDEL', stream, string.sub(known, 1, blank - 1)) end
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


class DecisionStore(History, Protocol):
    """The newest decisions of a pack, by event id; methods raise `Unavailable`."""

    async def keep(self, decisions: Sequence[KeptDecision]) -> None:
        """Adds decisions and lets the oldest go.

        Of an event id that is kept already the first copy stays, unless that one is of another
        topic that had the name.
        """

    async def find(self, event_id: str) -> KeptDecision | None:
        """The decision about an event; None where none is kept."""


def clock_ms() -> int:
    return time.time_ns() // 1_000_000


class MemoryDecisions:
    """`DecisionStore` in this process.

    Args:
        now_ms: When a decision is kept, milliseconds since 1970.
    """

    is_complete = False

    def __init__(self, most: int = MOST, now_ms: Callable[[], int] = clock_ms) -> None:
        self.kept: dict[str, KeptDecision] = {}
        self._positions: dict[str, Position] = {}
        self._newest = Position(0, 0)
        self._most = most
        self._now_ms = now_ms

    async def keep(self, decisions: Sequence[KeptDecision]) -> None:
        for decision in decisions:
            known = self.kept.get(decision.event_id)
            if known is None or known.epoch != decision.epoch:
                self.kept.pop(decision.event_id, None)
                self.kept[decision.event_id] = decision
                self._positions[decision.event_id] = self._next()
        while len(self.kept) > self._most:
            oldest = next(iter(self.kept))
            del self.kept[oldest], self._positions[oldest]

    async def find(self, event_id: str) -> KeptDecision | None:
        return self.kept.get(event_id)

    async def newest(self, wanted: Wanted) -> Page:
        return await page_of(self._before(wanted), wanted)

    async def _before(self, wanted: Wanted) -> AsyncIterator[tuple[Position, KeptDecision]]:
        after = Position.read(wanted.cursor) if wanted.cursor else None
        for event_id, kept in reversed(list(self.kept.items())):
            position = self._positions[event_id]
            if position.at_ms < (wanted.since_ms or 0):
                return
            if after is None or position < after:
                yield position, kept

    def _next(self) -> Position:
        """Later than all before it, even if the clock is not."""
        at_ms, number = self._newest
        now_ms = self._now_ms()
        self._newest = Position(now_ms, 0) if now_ms > at_ms else Position(at_ms, number + 1)
        return self._newest


class RedisDecisions:
    """`DecisionStore` on Redis.

    Args:
        most: How many are kept.
    """

    is_complete = False

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

    async def newest(self, wanted: Wanted) -> Page:
        return await page_of(self._before(wanted), wanted)

    async def _before(self, wanted: Wanted) -> AsyncIterator[tuple[Position, KeptDecision]]:
        first = f"{wanted.since_ms or 0}-0"
        last = before(Position.read(wanted.cursor)) if wanted.cursor else "+"
        while True:
            call = self._reading.xrevrange(self._keys[0], last, first, AT_ONCE)
            # redis-py's types say that anything may be anything.
            entries: list[Any] = await answered(call, "kept decisions cannot be listed")
            for entry, fields in entries:
                position = position_of(entry)
                yield position, decision_of(fields)
            if len(entries) < AT_ONCE:
                return
            last = before(position)

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


def position_of(entry: bytes) -> Position:
    at_ms, _, number = entry.partition(b"-")
    return Position(int(at_ms), int(number))


def before(position: Position) -> str:
    """The last id that an entry before a position may have."""
    at_ms, number = position
    return f"{at_ms}-{number - 1}" if number else f"{max(at_ms - 1, 0)}-{LAST if at_ms else 0}"
