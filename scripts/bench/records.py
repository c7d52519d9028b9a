"""What recording costs, without Kafka: `CENTINELA_POSTGRES=... python -m scripts.bench.records`.

Answers of simulated traffic go through the recorder's own stage and store, 8 records of 200 lines a
chunk, under a pack of their own, which is deleted again. The time of the server is not seen here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing
from uuid import uuid4

import msgspec

from feature_store.fence import Commit, Fence, Turn
from models.contracts import ActionTaken, Reason
from producer.records import Record
from producer.settings import Connections
from stream_agents.postgres import Database
from stream_agents.postgres_records import PostgresRecords
from stream_agents.recording import Recording
from stream_agents.stage import Memory

RECORDS, LINES, CHUNKS = 8, 200, 60
SHARES = (0.05, 1.0)
"""Of answers other than allow, which carry reasons and features."""
FEATURES = {f"client_requests_count_{number}": number / 7 for number in range(44)}
REASON = Reason("sql_injection", "the request carries a piece of SQL")
NOW_MS = 1_800_000_000_000


def answer(number: int, share: float) -> ActionTaken:
    allowed = ActionTaken(
        f"bench-{number:012}",
        "decided",
        "allow",
        f"203.0.113.{number % 250}",
        "2026-11-21T03:00:00.000Z",
        0.5,
        model="access-7bacb306e904",
        policy="access-2",
    )
    if number % 1000 >= 1000 * share:
        return allowed
    return msgspec.structs.replace(
        allowed,
        action="block",
        ttl_s=14_400,
        rules=(REASON.code,),
        reasons=(REASON,),
        features=FEATURES,
    )


def chunks(share: float) -> Iterator[list[Record]]:
    encode = msgspec.json.Encoder().encode_lines
    for first in range(0, RECORDS * CHUNKS, RECORDS):
        yield [
            Record(
                0,
                offset,
                NOW_MS + offset,
                encode([answer(offset * LINES + line, share) for line in range(LINES)]),
            )
            for offset in range(first, first + RECORDS)
        ]


async def record(store: PostgresRecords, share: float) -> tuple[float, float]:
    """Rows a second, and microseconds of this process's CPU time a row."""
    stage, fence, stored = Recording("access"), Fence(uuid4().hex), b""
    prepared = list(chunks(share))
    wall, cpu = time.perf_counter(), time.process_time()
    for records in prepared:
        change = stage.fold(stage.decode(records), Memory({0: fence}, {}, {})).changes[0]
        encoded = change.fence.encoded()
        [reply] = await store.exchange([Turn(0, Commit(stored, encoded, change.states))])
        assert reply.fence == encoded
        fence, stored = change.fence, encoded
    rows = RECORDS * LINES * CHUNKS
    took_s, busy_s = time.perf_counter() - wall, time.process_time() - cpu
    return rows / took_s, 1e6 * busy_s / rows


async def main() -> None:
    connections = Connections()
    if not connections.postgres:
        raise SystemExit("records: CENTINELA_POSTGRES must say where to write")
    async with aclosing(Database(connections.postgres)) as database:
        for share in SHARES:
            store = PostgresRecords(database, f"bench-{uuid4().hex}")
            await store.load(0)
            per_s, cpu_us = await record(store, share)
            print(f"{share:.0%} other than allow: {per_s:,.0f} rows/s, {cpu_us:.1f} us CPU a row")
            await store.forget(0)
            async with database.transaction() as transaction:
                await transaction.run("DELETE FROM fences WHERE pack LIKE 'bench-%'")


if __name__ == "__main__":
    asyncio.run(main())
