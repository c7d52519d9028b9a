"""What every store of recorded answers promises, in memory and on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_store.fence import Commit, Fence, OnlineStore, StoreUnavailable, Turn
from models.contracts import ActionTaken, Reason
from models.errors import InvalidSource, Unavailable
from producer.records import Record
from stream_agents import forgetting, postgres_records, recorder
from stream_agents.forgetting import forget
from stream_agents.memory import MemoryStore
from stream_agents.outcomes import ENCODER
from stream_agents.postgres import CONNECTIONS, Database
from stream_agents.postgres_records import PostgresRecords, arrays
from stream_agents.recording import ROW, Recording, Row
from stream_agents.records_schema import MIGRATIONS, migrate
from stream_agents.stage import Memory
from tests.stacks import Postgres

EPOCH = "q6PHbAGVTyaFBWk9Vvvwhg"


@asynccontextmanager
async def empty(postgres: Postgres) -> AsyncIterator[Database]:
    async with aclosing(Database(postgres.url)) as opened:
        async with opened.transaction() as transaction:
            await transaction.run("DROP TABLE IF EXISTS decisions, fences, centinela_migrations")
        yield opened


@pytest.fixture
async def database(postgres: Postgres) -> AsyncIterator[Database]:
    async with empty(postgres) as opened:
        yield opened


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[OnlineStore]:
    if request.param == "memory":
        yield MemoryStore()
        return
    async with empty(request.getfixturevalue("postgres")) as opened:
        yield PostgresRecords(opened, "access")


@asynccontextmanager
async def several(postgres: Postgres, number: int, pack: str) -> AsyncIterator[list[OnlineStore]]:
    """Stores of as many processes."""
    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(aclosing(Database(postgres.url))) for _ in range(number)
        ]
        yield [PostgresRecords(each, pack) for each in opened]


def row(number: int, **fields: Any) -> Row:
    return Row(EPOCH, 0, number, 0, 1_763_690_400_000, f"event {number}", "decided", **fields)


def states(*rows: Row) -> dict[str, bytes]:
    return {each.name: ENCODER.encode(each) for each in rows}


async def stored(store: OnlineStore, each: Row) -> Row | None:
    """What is stored under a row's name."""
    found = await store.state(each.partition, each.name)
    return ROW.decode(found) if found else None


async def test_an_unknown_partition_is_empty(store: OnlineStore) -> None:
    assert await store.load(3) == (b"", b"")
    assert await store.state(3, "no name") is None
    assert await stored(store, row(1)) is None


async def test_rows_are_read_back(store: OnlineStore) -> None:
    rows = [row(1), row(2)]
    commit = Commit(b"", b"fence-1", states(*rows))

    (reply,) = await store.exchange([Turn(0, commit, [rows[1].name, row(3).name])])

    assert (reply.fence, list(reply.states)) == (b"fence-1", [ENCODER.encode(rows[1]), None])
    assert await store.load(0) == (b"fence-1", b"")
    assert await stored(store, rows[0]) == rows[0]


async def test_a_row_keeps_all_of_an_answer(store: OnlineStore) -> None:
    full = Row(
        EPOCH,
        0,
        1 << 40,
        199,
        1_763_690_400_123,
        "ünusual \n 0-0-0",
        "decided",
        "block",
        "2001:db8::7",
        1_763_690_399_123_456,
        0.1 + 0.2,
        14_400,
        ("sql_injection", "a,b", 'c"}{'),
        (Reason("sql_injection", "the request\tcarries", 1.5, None), Reason("x", "y")),
        {"client_requests_count_1m": 1.0, "client_gap": 1e-300},
        "access-7bacb306e904",
        "access-2+lists.12",
        "web-1-0",
        "an error with a \\ in it",
        "features are incomplete",
    )
    await store.exchange([Turn(0, Commit(b"", b"1", states(full)))])

    assert await stored(store, full) == full


async def test_a_commit_on_another_fence_writes_nothing(store: OnlineStore) -> None:
    await store.exchange([Turn(0, Commit(b"", b"fence-1", states(row(1))))])

    (reply,) = await store.exchange([Turn(0, Commit(b"fence-0", b"fence-2", states(row(2))))])

    assert reply.fence == b"fence-1"
    assert await store.load(0) == (b"fence-1", b"")
    assert await stored(store, row(2)) is None


async def test_a_first_commit_where_there_is_a_fence_writes_nothing(store: OnlineStore) -> None:
    await store.exchange([Turn(0, Commit(b"", b"fence-1", states(row(1))))])

    (reply,) = await store.exchange([Turn(0, Commit(b"", b"fence-2", states(row(2))))])

    assert reply.fence == b"fence-1"
    assert await stored(store, row(2)) is None


async def test_a_commit_repeated_after_a_lost_reply_is_recognised(store: OnlineStore) -> None:
    await store.exchange([Turn(0, Commit(b"", b"fence-1", states(row(1))))])
    turn = Turn(0, Commit(b"fence-1", b"fence-2", states(row(2))))
    await store.exchange([turn])

    (reply,) = await store.exchange([turn])

    assert reply.fence == b"fence-2"
    assert await stored(store, row(2)) == row(2)


async def test_partitions_stand_alone(store: OnlineStore) -> None:
    here, there = row(1), msgspec.structs.replace(row(1), partition=1)
    replies = await store.exchange(
        [
            Turn(1, Commit(b"wrong", b"f1", states(there))),
            Turn(0, Commit(b"", b"f0", states(here))),
            Turn(2, None, [here.name]),
        ]
    )

    assert [reply.fence for reply in replies] == [b"", b"f0", b""]
    assert await stored(store, here) == here
    assert await stored(store, there) is None


async def test_of_several_partitions_each_moves_by_its_own_fence(store: OnlineStore) -> None:
    first = [Turn(p, Commit(b"", b"1")) for p in range(4)]
    second = [Turn(p, Commit(b"1" if p % 2 else b"x", b"2")) for p in range(4)]
    await store.exchange(first)

    replies = await store.exchange(second)

    assert [reply.fence for reply in replies] == [b"1", b"2", b"1", b"2"]


async def test_thousands_of_rows_fit_one_turn(
    store: OnlineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_records, "STATEMENT_BYTES", 10_000)
    rows = [row(number) for number in range(2_500)]

    await store.exchange([Turn(0, Commit(b"", b"1", states(*rows)))])

    for each in (rows[0], rows[1234], rows[-1]):
        assert await stored(store, each) == each


async def test_a_partition_that_is_forgotten_keeps_its_fence(store: OnlineStore) -> None:
    other = msgspec.structs.replace(row(1), partition=11)
    await store.exchange([Turn(1, Commit(b"", b"fence", states(row(1))))])
    await store.exchange([Turn(11, Commit(b"", b"fence", states(other)))])

    await store.forget(1)

    assert (await store.load(1))[0] == b"fence"
    assert await store.state(1, row(1).name) is None
    assert await stored(store, other) == other


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    ["\0", "a\\u0000", "\\\0", '"\0"', "{}", "NULL", "{a,b}", "'; --", "\u2028", "\U0001f600"]
)
ANSWERS = st.builds(
    ActionTaken,
    TEXTS,
    st.sampled_from(["decided", "duplicate", "late", "dead"]),
    st.sampled_from([None, "allow", "alert", "challenge", "block"]),
    TEXTS,
    st.sampled_from(["", "2026-11-21T03:00:00.123456Z", "1970-01-01T00:00:00Z", "0001-01-01", "?"]),
    st.none() | NUMBERS,
    st.none() | st.integers(-(2**63) + 1, 2**63 - 1),
    st.lists(TEXTS, max_size=3).map(tuple),
    st.lists(st.builds(Reason, TEXTS, TEXTS, st.none() | NUMBERS), max_size=2).map(tuple),
    st.none() | st.dictionaries(TEXTS, NUMBERS, max_size=3),
    *(st.none() | TEXTS for _ in range(4)),
)


@given(st.lists(ANSWERS, min_size=1, max_size=5), st.integers(-(2**63), 2**63 - 1))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_whatever_an_answer_says_is_kept_as_the_stage_has_it(
    store: OnlineStore, answers: list[ActionTaken], at_ms: int
) -> None:
    epoch = uuid4().hex
    stage = Recording("access")
    record = Record(0, 7, at_ms, msgspec.json.Encoder().encode_lines(answers))
    memory = Memory({0: Fence(epoch)}, {}, {})
    rows = stage.fold(stage.decode([record]), memory).changes[0].states
    fence = (await store.load(0))[0]

    await store.exchange([Turn(0, Commit(fence, epoch.encode(), rows))])

    assert len(rows) == len(answers)
    for name, encoded in rows.items():
        assert ROW.decode(await store.state(0, name) or b"") == ROW.decode(encoded)


async def test_a_row_that_is_there_already_stays_and_does_no_harm(database: Database) -> None:
    store = PostgresRecords(database, "access")
    await store.exchange([Turn(0, Commit(b"", b"1", states(row(1, error="first"))))])
    await database.rows("DELETE FROM fences RETURNING 1")

    again = states(row(1, error="second"), row(2))
    (reply,) = await store.exchange([Turn(0, Commit(b"", b"1", again))])

    assert reply.fence == b"1"
    assert await stored(store, row(1)) == row(1, error="first")
    assert await stored(store, row(2)) == row(2)


async def test_packs_have_fences_of_their_own(database: Database) -> None:
    access, fraud = PostgresRecords(database, "access"), PostgresRecords(database, "fraud")
    await access.exchange([Turn(0, Commit(b"", b"1", states(row(1))))])

    assert await fraud.load(0) == (b"", b"")
    assert await stored(fraud, row(1)) is None


async def test_rows_and_fence_go_together(database: Database) -> None:
    store = PostgresRecords(database, "access")
    await store.load(0)
    broken = {"name": b'{"epoch":"a","partition":0,"source_offset":"no number"}'}

    with pytest.raises(StoreUnavailable, match="postgres: InvalidTextRepresentation"):
        await store.exchange([Turn(0, Commit(b"", b"1", states(row(1)) | broken))])

    assert await store.load(0) == (b"", b"")
    assert await stored(store, row(1)) is None


async def test_a_zombie_and_its_heirs_at_the_same_moment_are_one_commit(
    postgres: Postgres, database: Database
) -> None:
    async with several(postgres, 8, "access") as stores:
        turns = [[Turn(0, Commit(b"", b"%d" % n, states(row(n))))] for n in range(8)]
        asked = zip(stores, turns, strict=True)
        replies = await asyncio.gather(*(store.exchange(turn) for store, turn in asked))

    [fence] = {reply.fence for [reply] in replies}
    written = await database.rows("SELECT source_offset FROM decisions")
    assert written == [(int(fence),)]


async def test_several_that_start_at_once_make_the_tables_once(
    postgres: Postgres, database: Database
) -> None:
    async with several(postgres, 4, "access") as stores:
        await asyncio.gather(*(store.load(0) for store in stores))

    applied = await database.rows("SELECT number FROM centinela_migrations ORDER BY number")
    assert applied == [(number,) for number in range(1, len(MIGRATIONS) + 1)]


async def test_each_migration_is_applied_once(database: Database) -> None:
    steps = ("CREATE TABLE fences (a int)", "INSERT INTO fences VALUES (1)")
    await migrate(database, steps[:1])
    for _ in range(2):
        await migrate(database, steps)

    assert await database.rows("SELECT a FROM fences") == [(1,)]


async def test_a_migration_that_fails_leaves_all_as_it_was(database: Database) -> None:
    with pytest.raises(Unavailable, match="postgres: SyntaxError"):
        await migrate(database, ("CREATE TABLE fences (a int)", "no SQL"))

    assert await database.rows("SELECT to_regclass('fences')") == [(None,)]


async def test_a_postgres_that_is_away_is_said_to_be(unused_tcp_port: int) -> None:
    store = PostgresRecords(Database(f"postgresql://x@127.0.0.1:{unused_tcp_port}/x"), "access")

    with pytest.raises(StoreUnavailable, match="postgres: OperationalError"):
        await store.load(0)


async def test_a_postgres_that_was_away_is_found_again(
    postgres: Postgres, database: Database
) -> None:
    store = PostgresRecords(database, "access")
    await store.exchange([Turn(0, Commit(b"", b"1", states(row(1))))])

    with postgres.away(), pytest.raises(StoreUnavailable):
        await store.load(0)

    assert (await store.load(0))[0] == b"1"
    assert await stored(store, row(1)) == row(1)


async def test_a_postgres_that_says_nothing_is_away(postgres: Postgres, database: Database) -> None:
    async def ask() -> None:
        async with database.transaction(0.2) as transaction:
            await transaction.rows("SELECT 1")

    await ask()
    with postgres.frozen(), pytest.raises(Unavailable, match="TimeoutError"):
        await ask()
    await ask()


async def test_who_fails_leaves_no_connection_in_a_transaction(database: Database) -> None:
    for _ in range(CONNECTIONS + 1):
        with pytest.raises(Unavailable, match="DivisionByZero"):
            await database.rows("SELECT 1 / 0")
        with pytest.raises(ZeroDivisionError):
            async with database.transaction():
                raise ZeroDivisionError

    assert await database.rows("SELECT 1") == [(1,)]


def answered_ago(number: int, ago: timedelta) -> Row:
    decided_at = datetime.now(UTC) - ago
    return msgspec.structs.replace(row(number), decided_ms=int(decided_at.timestamp() * 1000))


async def test_what_is_too_old_is_forgotten_and_the_rest_stays(database: Database) -> None:
    access, fraud = PostgresRecords(database, "access"), PostgresRecords(database, "fraud")
    old = [answered_ago(number, timedelta(days=30, minutes=1)) for number in range(12)]
    new = [answered_ago(number, timedelta(days=30, minutes=-1)) for number in range(12, 14)]
    others = [msgspec.structs.replace(each, epoch="other") for each in old]
    await access.exchange([Turn(0, Commit(b"", b"1", states(*new, *old)))])
    await fraud.exchange([Turn(0, Commit(b"", b"1", states(*others)))])

    assert await forget(database, "access", 30, at_once=5) == 12
    assert await forget(database, "access", 30, at_once=5) == 0
    left = "SELECT source_offset FROM decisions WHERE pack = %s ORDER BY 1"
    assert await database.rows(left, ["access"]) == [(12,), (13,)]
    assert len(await database.rows(left, ["fraud"])) == 12
    assert (await access.load(0))[0] == b"1"


async def test_forgetting_goes_on_beside_whatever_is_done(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "EVERY_S", 0.01)
    store = PostgresRecords(database, "access")
    async with forgetting.forgetting(database, "access", 30):
        await asyncio.sleep(0.05)  # it finds no table
        for number in range(3):
            old = answered_ago(number, timedelta(days=31))
            before = (await store.load(0))[0]
            await store.exchange([Turn(0, Commit(before, b"%d" % (number + 1), states(old)))])
            while await stored(store, old):
                await asyncio.sleep(0.01)

    assert (await store.load(0))[0] == b"3"


@pytest.mark.parametrize(
    "url", ["postgressql://x:secret@h/x", "redis://x:secret@h", "postgresql://x:secret@h/x?y", "h"]
)
def test_what_is_no_url_is_told_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidSource) as told:
        Database(url)

    assert str(told.value).startswith("CENTINELA_POSTGRES must be a URL")
    assert "secret" not in str(told.value)


def test_a_recorder_that_is_not_told_where_to_write_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CENTINELA_POSTGRES", raising=False)

    with pytest.raises(SystemExit, match="CENTINELA_POSTGRES must say where to write"):
        recorder.main()


def test_arrays_hold_all_rows_and_are_small() -> None:
    rows = [b"%d" % number for number in range(1000)]
    made = list(arrays(rows, 100))

    assert [each for array in made for each in msgspec.json.decode(array)] == list(range(1000))
    assert max(map(len, made)) < 2 * 100
    assert list(arrays([], 1)) == []
    assert list(arrays([b"1234", b"5"], 1)) == ["[1234]", "[5]"]
