"""What every store of given answers promises about listing them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import msgspec
import pytest

from feature_store.fence import Commit, Turn
from feature_store.text import INVALID_TIME
from models.contracts import ActionTaken
from models.errors import Unavailable
from stream_agents import decided
from stream_agents.decided import TAKEN, InvalidCursor, Page, Position, Wanted
from stream_agents.kept import AT_ONCE, DecisionStore, MemoryDecisions, RedisDecisions
from stream_agents.postgres import Database
from stream_agents.postgres_history import ORDER, PostgresHistory, conditions
from stream_agents.postgres_records import PostgresRecords
from stream_agents.recording import row_of, storable
from stream_agents.records_schema import migrate
from stream_agents.stage import KeptDecision
from tests.stacks import Postgres

MOST = 3 * AT_ONCE


class OnPostgres:
    """What the recorder writes, and what the API reads of it."""

    def __init__(self, database: Database) -> None:
        self._records = PostgresRecords(database, "access")
        self._history = PostgresHistory(database, "access")
        self._written = 0

    async def keep(self, decisions: Sequence[KeptDecision]) -> None:
        rows = {}
        for decision in decisions:
            self._written += 1
            place = "epoch", 0, self._written, 0, time.time_ns() // 1_000_000
            row = row_of(place, TAKEN.decode(decision.line), INVALID_TIME)
            rows[row.name] = storable(msgspec.json.encode(row))
        before = (await self._records.load(0))[0]
        await self._records.exchange([Turn(0, Commit(before, b"%d" % self._written, rows))])

    async def newest(self, wanted: Wanted) -> Page:
        return await self._history.newest(wanted)


Store = DecisionStore | OnPostgres


@asynccontextmanager
async def made(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if kind == "memory":
        yield MemoryDecisions(MOST)
    elif kind == "redis":
        redis_url = request.getfixturevalue("redis_url")
        async with aclosing(RedisDecisions(redis_url, uuid4().hex, MOST)) as on_redis:
            yield on_redis
    else:
        async with aclosing(Database(request.getfixturevalue("postgres").url)) as database:
            await migrate(database)
            async with database.transaction() as transaction:
                await transaction.run("TRUNCATE decisions, fences")
            yield OnPostgres(database)


@pytest.fixture(params=["memory", "redis", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    async with made(request.param, request) as each:
        yield each


@pytest.fixture(params=["memory", "redis"])
async def newest_alone(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """A store of the newest answers other than allow."""
    async with made(request.param, request) as each:
        yield each


@pytest.fixture
async def complete(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """A store of all answers."""
    async with made("postgres", request) as each:
        yield each


def kept(number: int, entity: str = "a", action: str = "block", epoch: str = "") -> KeptDecision:
    taken = ActionTaken(f"event {number}", "decided", action, entity)  # type: ignore[arg-type]
    return KeptDecision(taken.event_id, epoch, None, msgspec.json.encode(taken))


def numbers(page: Page) -> list[int]:
    return [int(each.taken.event_id.removeprefix("event ")) for each in page.decisions]


async def all_pages(store: Store, wanted: Wanted) -> list[list[int]]:
    pages = []
    while True:
        page = await store.newest(wanted)
        pages.append(numbers(page))
        if page.next is None:
            return pages
        wanted = replace(wanted, cursor=page.next)


async def test_at_first_there_are_none(store: Store) -> None:
    assert await store.newest(Wanted()) == Page([], None)


async def test_the_newest_come_first_with_all_that_was_answered(store: Store) -> None:
    await store.keep([kept(0), kept(1, "b", "alert")])
    page = await store.newest(Wanted())

    assert [each.taken for each in page.decisions] == [
        ActionTaken("event 1", "decided", "alert", "b"),
        ActionTaken("event 0", "decided", "block", "a"),
    ]
    assert page.next is None


@pytest.mark.parametrize(
    ("number", "limit", "pages"),
    [
        (5, 2, [[4, 3], [2, 1], [0]]),
        (4, 2, [[3, 2], [1, 0]]),
        (2, 2, [[1, 0]]),
        (3, 1, [[2], [1], [0]]),
        (1, 9, [[0]]),
    ],
)
async def test_pages_follow_one_another(
    store: Store, number: int, limit: int, pages: list[list[int]]
) -> None:
    await store.keep([kept(i) for i in range(number)])

    assert await all_pages(store, Wanted(limit=limit)) == pages


@pytest.mark.parametrize(
    ("entity", "action", "expected"),
    [
        ("a", None, [4, 2, 0]),
        (None, "alert", [3, 2]),
        ("a", "alert", [2]),
        ("nobody", None, []),
        ("A", None, []),
        ("", None, []),
    ],
)
async def test_all_that_is_asked_for_must_hold(
    store: Store, entity: str | None, action: str | None, expected: list[int]
) -> None:
    who = ["a", "b", "a", "b", "a"]
    what = ["block", "block", "alert", "alert", "block"]
    await store.keep([kept(i, who[i], what[i]) for i in range(5)])

    assert await all_pages(store, Wanted(entity, action)) == [expected]


@pytest.mark.parametrize("number", [AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 2 * AT_ONCE])
async def test_what_is_read_in_pieces_is_whole(store: Store, number: int) -> None:
    await store.keep([kept(i) for i in range(number)])
    page = await store.newest(Wanted(limit=MOST))

    assert numbers(page) == list(reversed(range(number)))
    assert page.next is None


async def test_new_answers_do_not_shift_the_pages(store: Store) -> None:
    await store.keep([kept(i) for i in range(4)])
    first = await store.newest(Wanted(limit=2))
    await store.keep([kept(i) for i in range(4, 8)])
    second = await store.newest(Wanted(limit=2, cursor=first.next))

    assert (numbers(first), numbers(second)) == ([3, 2], [1, 0])


async def test_only_what_was_answered_since_a_time_is_given(store: Store) -> None:
    await store.keep([kept(0)])
    [first] = (await store.newest(Wanted())).decisions
    while time.time_ns() // 1_000_000 <= first.at_ms:
        await asyncio.sleep(0.001)
    await store.keep([kept(1)])
    second, _ = (await store.newest(Wanted())).decisions

    assert numbers(await store.newest(Wanted(since_ms=first.at_ms))) == [1, 0]
    assert numbers(await store.newest(Wanted(since_ms=second.at_ms))) == [1]
    assert numbers(await store.newest(Wanted(since_ms=second.at_ms + 1))) == []


async def test_the_time_of_an_answer_is_when_it_was_given(store: Store) -> None:
    before = time.time_ns() // 1_000_000
    await store.keep([kept(0)])
    [only] = (await store.newest(Wanted())).decisions

    assert before <= only.at_ms <= time.time_ns() // 1_000_000


async def test_who_asks_for_what_is_rare_goes_on_with_the_cursor(
    newest_alone: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decided, "MOST_LOOKED_AT", 3)
    await newest_alone.keep([kept(i, "rare" if i == 0 else "a") for i in range(7)])

    assert await all_pages(newest_alone, Wanted("rare")) == [[], [], [0]]


async def test_what_took_anothers_place_stands_once_and_in_its_own(newest_alone: Store) -> None:
    await newest_alone.keep([kept(0, epoch="old"), kept(1, epoch="old")])
    await newest_alone.keep([kept(0, "b", epoch="new")])
    page = await newest_alone.newest(Wanted())

    assert numbers(page) == [0, 1]
    assert page.decisions[0].taken.entity == "b"


async def test_the_oldest_are_let_go(newest_alone: Store) -> None:
    await newest_alone.keep([kept(i) for i in range(MOST + 5)])
    page = await newest_alone.newest(Wanted(limit=MOST + 5))

    assert numbers(page) == list(range(MOST + 4, 4, -1))


@pytest.mark.parametrize("cursor", ["", "x", "é", "MTIz", "MS0yLTM=", "LTEtMA==", "A" * 99])
async def test_what_no_page_has_given_is_no_cursor(store: Store, cursor: str) -> None:
    await store.keep([kept(0)])
    if not cursor:
        assert numbers(await store.newest(Wanted(cursor=cursor))) == [0]
        return

    with pytest.raises(InvalidCursor):
        await store.newest(Wanted(cursor=cursor))


@pytest.mark.parametrize("position", [Position(0, 0), Position(1, 0), Position(10**14, 10**14)])
async def test_a_cursor_of_any_time_is_taken(store: Store, position: Position) -> None:
    await store.keep([kept(0)])
    page = await store.newest(Wanted(cursor=position.cursor))

    assert numbers(page) == ([0] if position.at_ms > 1 else [])


def ended(number: int, outcome: str, action: str | None, entity: str = "a") -> KeptDecision:
    """An outcome of any kind."""
    taken = ActionTaken(f"event {number}", outcome, action, entity)  # type: ignore[arg-type]
    return KeptDecision(taken.event_id, "", None, msgspec.json.encode(taken))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(), [5, 1]),
        (Wanted(entity="a"), [1]),
        (Wanted(action="allow"), [4, 0]),
        (Wanted(action="block"), [5, 1]),
        (Wanted(outcome="decided"), [5, 4, 1, 0]),
        (Wanted(outcome="decided", action="block"), [5, 1]),
        (Wanted(outcome="late"), [3]),
        (Wanted(outcome="late", action="block"), []),
        (Wanted(outcome="duplicate"), [2]),
        (Wanted(outcome="dead"), [6]),
        (Wanted(outcome="any"), [6, 5, 4, 3, 2, 1, 0]),
        (Wanted(outcome="any", action="allow"), [4, 0]),
        (Wanted(outcome="any", entity="b"), [5, 4]),
        (Wanted(outcome="any", entity="a", limit=2), [3, 2]),
    ],
)
async def test_what_was_not_found_is_told_if_it_is_asked_for(
    complete: Store, wanted: Wanted, expected: list[int]
) -> None:
    outcomes = [
        ended(0, "decided", "allow"),
        ended(1, "decided", "block"),
        ended(2, "duplicate", None),
        ended(3, "late", None),
        ended(4, "decided", "allow", "b"),
        ended(5, "decided", "alert" if wanted.action is None else "block", "b"),
        ended(6, "dead", None, ""),
    ]
    await complete.keep(outcomes)

    assert numbers(await complete.newest(wanted)) == expected


async def test_all_of_one_moment_are_listed_once(complete: Store) -> None:
    await complete.keep([ended(number, "late", None) for number in range(25)])

    pages = await all_pages(complete, Wanted(outcome="late", limit=7))

    assert [each for page in pages for each in page] == list(range(24, -1, -1))


@pytest.mark.parametrize("outcome", ["late", "dead"])
async def test_what_is_kept_alone_has_no_other_outcomes(newest_alone: Store, outcome: str) -> None:
    await newest_alone.keep([kept(0)])

    assert numbers(await newest_alone.newest(Wanted(outcome="decided"))) == [0]
    assert numbers(await newest_alone.newest(Wanted(outcome=outcome))) == []


async def test_an_entity_is_found_by_whatever_a_caller_may_ask(complete: Store) -> None:
    await complete.keep([kept(0, "a\0b"), kept(1, "%"), kept(2, "'; --"), kept(3, "\U0001f600")])

    for number, entity in enumerate(("a\0b", "%", "'; --", "\U0001f600")):
        assert numbers(await complete.newest(Wanted(entity))) == [number]


async def test_the_answer_to_the_first_is_found_and_not_that_to_a_repeat(
    request: pytest.FixtureRequest,
) -> None:
    async with made("postgres", request) as store:
        assert isinstance(store, OnPostgres)
        repeat = ended(0, "duplicate", None)
        await store.keep([repeat, ended(0, "decided", "block"), ended(0, "decided", "alert")])
        await store.keep([repeat])
        found = await store._history.find("event 0")

    assert found is not None
    assert (found.outcome, found.action) == ("decided", "block")


async def test_before_the_recorder_has_begun_nothing_can_be_said(postgres: Postgres) -> None:
    async with aclosing(Database(postgres.url)) as database:
        async with database.transaction() as transaction:
            await transaction.run("DROP TABLE IF EXISTS decisions, fences, centinela_migrations")

        with pytest.raises(Unavailable, match="UndefinedTable"):
            await PostgresHistory(database, "access").newest(Wanted())


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(),
        Wanted(entity="a"),
        Wanted(action="block"),
        Wanted(action="allow"),
        Wanted(entity="a", outcome="any"),
        Wanted(outcome="late"),
        Wanted(outcome="any", since_ms=5, cursor=Position(10**14, 1).cursor),
    ],
    ids=repr,
)
async def test_no_question_reads_the_whole_table(postgres: Postgres, wanted: Wanted) -> None:
    async with aclosing(Database(postgres.url)) as database:
        await migrate(database)
        held, values = conditions("access", wanted)
        query = f"EXPLAIN SELECT id FROM decisions WHERE {held} {ORDER}"
        async with database.transaction() as transaction:
            await transaction.run("SET LOCAL enable_seqscan = off")
            await transaction.run("SET LOCAL enable_sort = off")
            plan = await transaction.rows(query, [*values, 50])

    told = " ".join(line for (line,) in plan)
    assert "Index" in told
    assert "Seq Scan" not in told
    assert "Sort" not in told


async def test_in_memory_answers_keep_their_order_when_the_clock_goes_back() -> None:
    clock = iter([30, 10, 10, 31])
    store = MemoryDecisions(now_ms=lambda: next(clock))
    for number in range(4):
        await store.keep([kept(number)])

    page = await store.newest(Wanted())
    assert [(each.at_ms, n) for each, n in zip(page.decisions, numbers(page), strict=True)] == [
        (31, 3),
        (30, 2),
        (30, 1),
        (30, 0),
    ]


async def test_without_redis_nothing_is_listed(unused_tcp_port: int) -> None:
    store = RedisDecisions(f"redis://127.0.0.1:{unused_tcp_port}/0", "access")

    with pytest.raises(Unavailable):
        await store.newest(Wanted())
    await store.aclose()
