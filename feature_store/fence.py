"""The fence: how far a partition's log has been folded into the store, and the promise around it.

A worker owns a copy of a partition's state. The copy is true as long as the fence in the store is
the one that the worker left there, so every write names the fence that it expects. A write by a
worker that lost its partition changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import msgspec


class StoreUnavailable(Exception):
    """The store did not answer, or refused to write (full, loading, read-only)."""


class Upstream(msgspec.Struct, frozen=True):
    """The newest record of the stage before that this stage has applied."""

    epoch: str
    offset: int


class Gap(msgspec.Struct, frozen=True):
    """The newest break in what a partition remembers; what came before it may be missing.

    Args:
        cause: lost: records went before they were folded; forgotten: nothing is stored of what was
            before, and the log no longer holds it; recreated: the topic was made again, and the
            one of before may have held more.
        offset: Of the first record folded after it; -1 before there is one.
        at_ms: Kafka's time of that record, milliseconds since 1970.
        records: So many offsets were passed over.
    """

    cause: Literal["lost", "forgotten", "recreated"]
    offset: int = -1
    at_ms: int = 0
    records: int = 0


class Fence(msgspec.Struct, frozen=True):
    """A partition's place in its log, with the totals that make the books balance.

    Args:
        epoch: Id of the topic, so that a topic created again under the same name is noticed.
        offset: Of the last applied record; -1 before the first.
        revision: Raised by every writer other than the owner (an erasure, a sync).
        decided, duplicate, late, dead: How many events ended each way.
        seen: How many event ids were ever remembered; its remainder places the ring of ids.
        upstream: Per partition of the stage before.
        layout: How the states are laid out; empty while those of another layout are forgotten.
        gap: Where the states miss a part of the past; None where they never did.
        before: Events among the totals that stood on topics which had the name before.
        writer: The process that wrote it. Two may fold the same records to other states, where
            the policy has changed in between: none then takes the other's commit for its own.
    """

    epoch: str
    offset: int = -1
    revision: int = 0
    decided: int = 0
    duplicate: int = 0
    late: int = 0
    dead: int = 0
    seen: int = 0
    upstream: dict[str, Upstream] = {}
    layout: str = ""
    gap: Gap | None = None
    before: int = 0
    writer: str = ""

    @property
    def events(self) -> int:
        """How many events ended in any way."""
        return self.decided + self.duplicate + self.late + self.dead

    def encoded(self) -> bytes:
        return msgspec.json.encode(self)


def decode_fence(stored: bytes) -> Fence | None:
    """The fence behind its stored form; None where the partition was never written."""
    return msgspec.json.decode(stored, type=Fence) if stored else None


@dataclass(frozen=True, slots=True)
class Commit:
    """One partition's changes of one chunk; all or nothing.

    Args:
        expected: The stored fence that this worker left, `b""` for none yet.
        fence: The fence after the chunk.
        states: Entity to its new encoded state.
        seen: `(byte offset, bytes)` to write into the ring of remembered event ids.
    """

    expected: bytes
    fence: bytes
    states: Mapping[str, bytes] = field(default_factory=dict)
    seen: Sequence[tuple[int, bytes]] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """What one partition asks of the store in one round trip: commit, then read."""

    partition: int
    commit: Commit | None = None
    read: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """The stored fence after the turn's commit, and the states read, None for the unseen."""

    fence: bytes
    states: Sequence[bytes | None] = ()


class OnlineStore(Protocol):
    """State of a stage's partitions; methods raise `StoreUnavailable` when it is away."""

    async def load(self, partition: int) -> tuple[bytes, bytes]:
        """The stored fence (`b""` for none) and the ring of remembered event ids."""

    async def exchange(self, turns: Sequence[Turn]) -> list[Reply]:
        """One round trip for all partitions.

        A commit is applied if the stored fence is the expected one. If it is already the new one,
        an earlier reply was lost and nothing is written. Otherwise nothing is written either, and
        the reply's fence tells the caller that its copy is void.
        """

    async def state(self, partition: int, entity: str) -> bytes | None:
        """One entity's state, for readers beside the worker."""

    async def forget(self, partition: int) -> None:
        """Deletes the states of all the partition's entities; fence and ring of ids stay."""
