"""The record is kept for so many days; beside the recorder's loop the oldest rows are deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from models.errors import Unavailable
from stream_agents.postgres import Database

log = structlog.get_logger(__name__)

EVERY_S = 60.0
AT_ONCE = 5_000
"""Rows of one transaction: it is over in a fraction of a second, and readers hardly notice."""
PAUSE_S = 0.1

# Several recorders may do this at once: each takes other rows.
DELETE = """
DELETE FROM decisions WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM decisions
    WHERE pack = %s AND decided_at < now() - %s * interval '1 day'
    ORDER BY decided_at LIMIT %s FOR UPDATE SKIP LOCKED
))
"""


async def forget(database: Database, pack: str, days: float, at_once: int = AT_ONCE) -> int:
    """Deletes what was answered longer ago; how many rows. Raises `Unavailable`."""
    deleted = 0
    while True:
        async with database.transaction() as transaction:
            gone = await transaction.run(DELETE, [pack, days, at_once])
        deleted += gone
        if gone < at_once:
            return deleted
        await asyncio.sleep(PAUSE_S)


@asynccontextmanager
async def forgetting(database: Database, pack: str, days: float) -> AsyncIterator[None]:
    """Goes on until the block is left, then closes the database's connections."""
    going_on = asyncio.create_task(_forget_forever(database, pack, days))
    try:
        yield
    finally:
        going_on.cancel()
        await asyncio.gather(going_on, return_exceptions=True)
        await database.aclose()


async def _forget_forever(database: Database, pack: str, days: float) -> None:
    while True:
        # First the recorder makes the tables.
        await asyncio.sleep(EVERY_S)
        try:
            if deleted := await forget(database, pack, days):
                log.info("forgotten", rows=deleted, days=days)
        except Unavailable as error:
            log.warning("old rows stay", error=str(error))
