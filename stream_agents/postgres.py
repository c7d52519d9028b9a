"""PostgreSQL as the rest of our code sees it: questions in, rows out, one kind of error.

The only file that knows the driver.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from models.errors import InvalidSource, Unavailable

CONNECTIONS = 4
WITHIN_S = 10.0
"""How long the server may take for one transaction, unless told otherwise."""

Parameters = Sequence[Any] | Mapping[str, Any]
Connection = psycopg.AsyncConnection[tuple[Any, ...]]


class Transaction:
    """What can be asked between the beginning and the end of a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def rows(self, query: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        asked = await self._connection.execute(query.encode(), parameters)
        return await asked.fetchall()

    async def run(self, query: str, parameters: Parameters | None = None) -> int:
        """How many rows it has changed."""
        return (await self._connection.execute(query.encode(), parameters)).rowcount


class Database:
    """One PostgreSQL, over a few connections; each is opened when it is first needed.

    Args:
        url: `postgresql://user@host:port/name`; what it leaves out is taken from libpq's own
            variables, such as PGPASSWORD.
        most: Connections at a time; who comes then waits for one.

    Raises:
        InvalidSource: The URL cannot be read; it is not repeated, since it may hold a password.
    """

    def __init__(self, url: str, most: int = CONNECTIONS) -> None:
        self._url = readable(url)
        self._turns = asyncio.Semaphore(most)
        self._idle: list[Connection] = []

    @asynccontextmanager
    async def transaction(self, within_s: float = WITHIN_S) -> AsyncIterator[Transaction]:
        """All that is done in the block, or nothing of it.

        Raises:
            Unavailable: The server is away, slow, or refuses. Where that came in the commit's
                place, it may have been done all the same.
        """
        try:
            async with asyncio.timeout(within_s), self._turns, AsyncExitStack() as stack:
                connection = await stack.enter_async_context(self._connected())
                await stack.enter_async_context(connection.transaction())
                yield Transaction(connection)
        except (psycopg.Error, OSError) as error:  # a time-out is an OSError too
            raise Unavailable(f"postgres: {type(error).__name__}: {error}") from error

    async def rows(self, query: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """A question alone; raises `Unavailable`."""
        async with self.transaction() as transaction:
            return await transaction.rows(query, parameters)

    async def aclose(self) -> None:
        while self._idle:
            await self._idle.pop().close()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        connection = await self._one_that_is_idle() or await self._another()
        try:
            yield connection
        except BaseException:
            await connection.close()
            raise
        self._idle.append(connection)

    async def _one_that_is_idle(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if is_silent(connection):
                return connection
            await connection.close()
        return None

    async def _another(self) -> Connection:
        # A client that is frozen in the middle of a transaction must not keep its locks for long.
        limit = int(WITHIN_S * 1000)
        return await psycopg.AsyncConnection.connect(
            self._url,
            autocommit=True,
            application_name="centinela",
            client_encoding="utf8",
            options=f"-c idle_in_transaction_session_timeout={limit}",
        )


def readable(url: str) -> str:
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise InvalidSource(
            "CENTINELA_POSTGRES must be a URL, postgresql://user@host:port/name"
        ) from None
    return url


def is_silent(connection: Connection) -> bool:
    """False where the server spoke between two transactions: it is about to leave, or has left."""
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return not waiting.poll(0)
