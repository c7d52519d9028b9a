"""The record of all answers on PostgreSQL: rows and fence in one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager

from feature_store.fence import Commit, Reply, StoreUnavailable, Turn
from models.errors import Unavailable
from stream_agents.outcomes import ENCODER
from stream_agents.postgres import Database, Transaction
from stream_agents.recording import ROW, place_in
from stream_agents.records_schema import migrate

STATEMENT_BYTES = 1 << 20
"""Of the rows that one statement brings; the server holds them a few times over."""

# An empty fence stands for none: from now on there is a row to be locked.
BEGIN = """
INSERT INTO fences (pack, partition, fence)
SELECT %s, partition, '' FROM unnest(%s::int[]) AS partition
ON CONFLICT DO NOTHING
"""

# Whoever moves a fence holds its row until the commit; another one waits here, and then finds that
# it is not what it expects.
MOVE = """
UPDATE fences SET fence = moving.fence
FROM unnest(%s::int[], %s::text[], %s::text[]) AS moving (partition, expected, fence)
WHERE fences.pack = %s AND fences.partition = moving.partition AND fences.fence = moving.expected
RETURNING fences.partition
"""

FENCES = "SELECT partition, fence FROM fences WHERE pack = %s AND partition = ANY(%s)"

# The rows come as one JSON array: the server takes it apart for a sixth of what the driver would
# take for a value a field.
WRITE = """
INSERT INTO decisions (
    pack, epoch, partition, source_offset, line, decided_at, event_id, outcome, action, entity,
    occurred_at, score, ttl_s, rules, reasons, features, model, policy, duplicate_of, error,
    degraded
)
SELECT
    %s, epoch, partition, source_offset, line,
    timestamptz 'epoch' + decided_ms * interval '1 millisecond', event_id, outcome, action, entity,
    timestamptz 'epoch' + occurred_us * interval '1 microsecond', score, ttl_s, rules, reasons,
    features, model, policy, duplicate_of, error, degraded
FROM json_to_recordset(%s::json) AS row (
    epoch text, partition int, source_offset bigint, line int, decided_ms bigint, event_id text,
    outcome text, action text, entity text, occurred_us bigint, score double precision,
    ttl_s bigint, rules text[], reasons jsonb, features jsonb, model text, policy text,
    duplicate_of text, error text, degraded text
)
ON CONFLICT DO NOTHING
"""

AS_JSON = """
json_strip_nulls(json_build_object(
    'epoch', epoch, 'partition', partition, 'source_offset', source_offset, 'line', line,
    'decided_ms', (extract(epoch FROM decided_at) * 1000)::bigint, 'event_id', event_id,
    'outcome', outcome, 'action', action, 'entity', entity,
    'occurred_us', (extract(epoch FROM occurred_at) * 1000000)::bigint, 'score', score,
    'ttl_s', ttl_s, 'rules', rules, 'reasons', reasons, 'features', features, 'model', model,
    'policy', policy, 'duplicate_of', duplicate_of, 'error', error, 'degraded', degraded
))::text
"""
"""A row as `ROW` decodes it."""

NAMED = "pack = %s AND partition = %s AND source_offset = %s AND line = %s AND epoch = %s"


class PostgresRecords:
    """`OnlineStore` of a recorder; its states are rows, by their names.

    It makes its tables when it is first used. It remembers no event ids: a repeat is a row.
    """

    def __init__(self, database: Database, pack: str) -> None:
        self._database = database
        self._pack = pack
        self._is_migrated = False

    async def load(self, partition: int) -> tuple[bytes, bytes]:
        async with self._transaction() as transaction:
            return (await self._fences(transaction, [partition])).get(partition, b""), b""

    async def exchange(self, turns: Sequence[Turn]) -> list[Reply]:
        commits = {turn.partition: turn.commit for turn in turns if turn.commit}
        async with self._transaction() as transaction:
            await self._commit(transaction, commits)
            fences = await self._fences(transaction, [turn.partition for turn in turns])
        # The recorder reads nothing back: it need not be quick.
        return [
            Reply(
                fences.get(turn.partition, b""),
                [await self.state(turn.partition, name) for name in turn.read],
            )
            for turn in turns
        ]

    async def state(self, partition: int, entity: str) -> bytes | None:
        if (place := place_in(entity)) is None:
            return None
        query = f"SELECT {AS_JSON} FROM decisions WHERE {NAMED}"
        async with self._transaction() as transaction:
            found = await transaction.rows(query, [self._pack, partition, *place])
        return ENCODER.encode(ROW.decode(found[0][0])) if found else None

    async def forget(self, partition: int) -> None:
        async with self._transaction() as transaction:
            await transaction.run(
                "DELETE FROM decisions WHERE pack = %s AND partition = %s", [self._pack, partition]
            )

    async def _commit(self, transaction: Transaction, commits: Mapping[int, Commit]) -> None:
        if not commits:
            return
        first = [partition for partition, commit in commits.items() if not commit.expected]
        if first:
            await transaction.run(BEGIN, [self._pack, first])
        expected = [commit.expected.decode() for commit in commits.values()]
        fences = [commit.fence.decode() for commit in commits.values()]
        moved = await transaction.rows(MOVE, [list(commits), expected, fences, self._pack])
        rows = (row for (partition,) in moved for row in commits[partition].states.values())
        for array in arrays(rows, STATEMENT_BYTES):
            await transaction.run(WRITE, [self._pack, array])

    async def _fences(
        self, transaction: Transaction, partitions: Sequence[int]
    ) -> dict[int, bytes]:
        stored = await transaction.rows(FENCES, [self._pack, list(partitions)])
        return {partition: fence.encode() for partition, fence in stored}

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Transaction]:
        try:
            if not self._is_migrated:
                await migrate(self._database)
                self._is_migrated = True
            async with self._database.transaction() as transaction:
                yield transaction
        except Unavailable as error:
            raise StoreUnavailable(str(error)) from error


def arrays(rows: Iterable[bytes], most: int) -> Iterator[str]:
    """JSON arrays of some rows, each of about so many bytes at most."""
    gathered: list[bytes] = []
    size = 0
    for row in rows:
        if gathered and size + len(row) > most:
            yield array_of(gathered)
            gathered, size = [], 0
        gathered.append(row)
        size += len(row)
    if gathered:
        yield array_of(gathered)


def array_of(rows: Sequence[bytes]) -> str:
    return f"[{b','.join(rows).decode()}]"
