"""The standings of a partition's entities, as states that the fence commits.

They are kept in a fixed number of shards, each a pseudo-entity `standing:<n>`, which a worker holds
all the time: so no event needs a read of its own, and an entity of which nothing was ever found
costs a look into a dictionary. A shard's bytes are a function of the log alone, however it was cut
into chunks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import msgspec
import xxhash

from feature_store.state import UnreadableState
from models.lists import NEVER
from models.policy import Policy
from models.standing import Standing

SHARDS = 256
MOST = 256
"""Entities that a shard remembers; then those whose actions end first are dropped."""

NAMES = tuple(f"standing:{number}" for number in range(SHARDS))
VERSION = 1
LAYOUT = f"standings-{VERSION}.{SHARDS}"
"""Entities would be looked for in the wrong shard if there were more of them."""


class Shard(msgspec.Struct, frozen=True, array_like=True):
    """As stored.

    Args:
        newest: Event time of the newest finding about any of the shard's entities.
    """

    version: int
    newest: int
    standings: dict[str, Standing]


DECODER = msgspec.msgpack.Decoder(Shard)
ENCODER = msgspec.msgpack.Encoder(order="deterministic")
EMPTY = Shard(VERSION, NEVER, {})


@lru_cache(maxsize=65_536)
def shard_of(entity: str) -> int:
    return xxhash.xxh32_intdigest(entity.encode()) % SHARDS


def decoded(stored: bytes) -> Shard:
    if not stored:
        return EMPTY
    try:
        shard = DECODER.decode(stored)
    except msgspec.DecodeError as error:
        raise UnreadableState(f"standings: {error}") from error
    if shard.version != VERSION:
        raise UnreadableState(f"standings: must be of version {VERSION}, got {shard.version}")
    return shard


class Ledger:
    """One partition's standings, each shard decoded once and then kept beside its bytes."""

    def __init__(self) -> None:
        self.known: dict[str, Standing] = {}
        """Every entity's standing; some may be forgotten by now."""
        self._stored = [b""] * SHARDS
        self._shards = [EMPTY] * SHARDS

    def read(self, states: Mapping[str, bytes]) -> None:
        """Takes over what is stored, where it differs from what is held."""
        stored = [states[name] for name in NAMES]
        # The very same bytes as a rule, so that this compares pointers.
        if stored == self._stored:
            return
        for number, state in enumerate(stored):
            if state != self._stored[number]:
                self._hold(number, state, decoded(state))

    def shard(self, number: int) -> Shard:
        return self._shards[number]

    def write(self, number: int, shard: Shard) -> bytes:
        """The shard's bytes, which are held from now on."""
        state = ENCODER.encode(shard)
        self._hold(number, state, shard)
        return state

    def _hold(self, number: int, state: bytes, shard: Shard) -> None:
        for entity in self._shards[number].standings.keys() - shard.standings.keys():
            del self.known[entity]
        self.known |= shard.standings
        self._stored[number], self._shards[number] = state, shard


@dataclass(slots=True)
class Opened:
    """A shard that a chunk changes."""

    newest: int
    standings: dict[str, Standing]


class Draft:
    """What a chunk does to the standings of a partition, until it is written.

    Args:
        dropped: How many were forgotten early because their shard was full.
    """

    def __init__(self, ledger: Ledger, policy: Policy) -> None:
        self.dropped = 0
        self._ledger = ledger
        self._policy = policy
        self._opened: dict[int, Opened] = {}

    def of(self, entity: str, at: int, cleared: int) -> Standing | None:
        """What is remembered of an entity as of an event's time.

        Args:
            cleared: Findings up to this time are forgotten.
        """
        number = shard_of(entity)
        shard = self._opened.get(number) or self._ledger.shard(number)
        found = shard.standings.get(entity)
        if found is None or found.at <= cleared:
            return None
        # By the newest finding too: what was pruned after it must not be seen before.
        return found if found.is_remembered(self._policy, max(at, shard.newest)) else None

    def put(self, entity: str, standing: Standing, at: int) -> None:
        """Notes an entity's standing after a finding of this time."""
        shard = self._open(shard_of(entity))
        shard.newest = max(shard.newest, at)
        shard.standings[entity] = standing
        if len(shard.standings) > MOST:
            self._make_room(shard)

    def forget(self, entity: str) -> None:
        number = shard_of(entity)
        shard = self._opened.get(number) or self._ledger.shard(number)
        if entity in shard.standings:
            del self._open(number).standings[entity]

    def written(self) -> dict[str, bytes]:
        """The changed shards, without what is forgotten by now."""
        changed = {}
        for number, shard in self._opened.items():
            kept = Shard(VERSION, shard.newest, self._remembered(shard))
            changed[NAMES[number]] = self._ledger.write(number, kept)
        return changed

    def _open(self, number: int) -> Opened:
        if number not in self._opened:
            shard = self._ledger.shard(number)
            self._opened[number] = Opened(shard.newest, dict(shard.standings))
        return self._opened[number]

    def _remembered(self, shard: Opened) -> dict[str, Standing]:
        # `Standing.is_remembered`, once for all.
        ended = shard.newest - self._policy.forgotten_after_us
        return {entity: each for entity, each in shard.standings.items() if each.until > ended}

    def _make_room(self, shard: Opened) -> None:
        """Drops what is forgotten, else a quarter: those whose actions end first."""
        shard.standings = self._remembered(shard)
        if len(shard.standings) <= MOST:
            return
        by_end = sorted(shard.standings.items(), key=lambda item: (item[1].until, item[0]))
        excess = max(1, MOST // 4)
        self.dropped += excess
        shard.standings = dict(by_end[excess:])
