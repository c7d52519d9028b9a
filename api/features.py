"""What is known about an entity, read from the online store beside the worker that writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from api.problems import Problem
from api.schemas import EntityFeatures
from feature_store.fence import StoreUnavailable
from feature_store.kernel import WindowKernel
from feature_store.state import UnreadableState
from models.errors import InvalidEvent, Unavailable
from models.pack import DomainPack
from producer.instants import micros, rfc3339
from producer.partitioning import partition_of

LATEST = "latest"


class StateReader(Protocol):
    async def state(self, partition: int, entity: str) -> bytes | None:
        """The stored state of an entity; None for one never seen."""


class FeatureReader:
    """Reads the entities of one pack."""

    def __init__(self, pack: DomainPack, store: StateReader, partitions: int) -> None:
        self._pack = pack
        self._store = store
        self._partitions = partitions
        self._kernel = WindowKernel(pack.features)

    async def read(self, entity: str, at: str | None, now_us: int) -> EntityFeatures:
        """Features of an entity as of a time.

        Args:
            at: RFC 3339; `latest` for the entity's newest event; None for now.

        Raises:
            Problem: The entity was never seen, or `at` is no time.
            Unavailable: The store does not answer, or its state cannot be read.
        """
        asked = None if at == LATEST else instant(at, now_us)
        try:
            state = await self._store.state(partition_of(entity, self._partitions), entity)
        except StoreUnavailable as error:
            raise Unavailable(str(error)) from error
        if state is None:
            raise Problem(404, "unknown-entity", "no event of this entity is remembered")
        try:
            at_us = self._kernel.newest(state) if asked is None else asked
            features = self._read(state, at_us)
        except UnreadableState as error:
            raise Unavailable(f"feature {self._pack.name}: {error}") from error
        return EntityFeatures(self._pack.name, entity, rfc3339(at_us), features)

    def _read(self, state: bytes, at_us: int) -> Mapping[str, float | None]:
        row = self._kernel.read([state], np.array([at_us], np.int64))[0]
        known = np.isfinite(row).tolist()
        named = zip(self._kernel.names, row.tolist(), known, strict=True)
        return {name: value if is_known else None for name, value, is_known in named}


def instant(at: str | None, now_us: int) -> int:
    if at is None:
        return now_us
    try:
        at_us = micros(at)
        rfc3339(at_us)  # a count of seconds may lie outside the years that can be told
        return at_us
    except InvalidEvent:
        raise Problem(400, "invalid-parameter", "at must be `latest` or an RFC 3339 time") from None
