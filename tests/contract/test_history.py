"""What every store of given answers promises about listing them, in memory and on Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import msgspec
import pytest

from models.contracts import ActionTaken
from models.errors import Unavailable
from stream_agents import decided
from stream_agents.decided import InvalidCursor, Page, Position, Wanted
from stream_agents.kept import AT_ONCE, DecisionStore, MemoryDecisions, RedisDecisions
from stream_agents.stage import KeptDecision

MOST = 3 * AT_ONCE


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[DecisionStore]:
    if request.param == "memory":
        yield MemoryDecisions(MOST)
        return
    on_redis = RedisDecisions(request.getfixturevalue("redis_url"), uuid4().hex, MOST)
    yield on_redis
    await on_redis.aclose()


def kept(number: int, entity: str = "a", action: str = "block", epoch: str = "") -> KeptDecision:
    taken = ActionTaken(f"event {number}", "decided", action, entity)  # type: ignore[arg-type]
    return KeptDecision(taken.event_id, epoch, None, msgspec.json.encode(taken))


def numbers(page: Page) -> list[int]:
    return [int(each.taken.event_id.removeprefix("event ")) for each in page.decisions]


async def all_pages(store: DecisionStore, wanted: Wanted) -> list[list[int]]:
    pages = []
    while True:
        page = await store.newest(wanted)
        pages.append(numbers(page))
        if page.next is None:
            return pages
        wanted = Wanted(wanted.entity, wanted.action, wanted.since_ms, wanted.limit, page.next)


async def test_at_first_there_are_none(store: DecisionStore) -> None:
    assert await store.newest(Wanted()) == Page([], None)


async def test_the_newest_come_first_with_all_that_was_answered(store: DecisionStore) -> None:
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
    store: DecisionStore, number: int, limit: int, pages: list[list[int]]
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
    store: DecisionStore, entity: str | None, action: str | None, expected: list[int]
) -> None:
    who = ["a", "b", "a", "b", "a"]
    what = ["block", "block", "alert", "alert", "block"]
    await store.keep([kept(i, who[i], what[i]) for i in range(5)])

    assert await all_pages(store, Wanted(entity, action)) == [expected]


@pytest.mark.parametrize("number", [AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 2 * AT_ONCE])
async def test_what_is_read_in_pieces_is_whole(store: DecisionStore, number: int) -> None:
    await store.keep([kept(i) for i in range(number)])
    page = await store.newest(Wanted(limit=MOST))

    assert numbers(page) == list(reversed(range(number)))
    assert page.next is None


async def test_new_answers_do_not_shift_the_pages(store: DecisionStore) -> None:
    await store.keep([kept(i) for i in range(4)])
    first = await store.newest(Wanted(limit=2))
    await store.keep([kept(i) for i in range(4, 8)])
    second = await store.newest(Wanted(limit=2, cursor=first.next))

    assert (numbers(first), numbers(second)) == ([3, 2], [1, 0])


async def test_only_what_was_answered_since_a_time_is_given(store: DecisionStore) -> None:
    await store.keep([kept(0)])
    [first] = (await store.newest(Wanted())).decisions
    while time.time_ns() // 1_000_000 <= first.at_ms:
        await asyncio.sleep(0.001)
    await store.keep([kept(1)])
    second, _ = (await store.newest(Wanted())).decisions

    assert numbers(await store.newest(Wanted(since_ms=first.at_ms))) == [1, 0]
    assert numbers(await store.newest(Wanted(since_ms=second.at_ms))) == [1]
    assert numbers(await store.newest(Wanted(since_ms=second.at_ms + 1))) == []


async def test_the_time_of_an_answer_is_when_it_was_given(store: DecisionStore) -> None:
    before = time.time_ns() // 1_000_000
    await store.keep([kept(0)])
    [only] = (await store.newest(Wanted())).decisions

    assert before <= only.at_ms <= time.time_ns() // 1_000_000


async def test_who_asks_for_what_is_rare_goes_on_with_the_cursor(
    store: DecisionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decided, "MOST_LOOKED_AT", 3)
    await store.keep([kept(i, "rare" if i == 0 else "a") for i in range(7)])

    assert await all_pages(store, Wanted("rare")) == [[], [], [0]]


async def test_what_took_anothers_place_stands_once_and_in_its_own(store: DecisionStore) -> None:
    await store.keep([kept(0, epoch="old"), kept(1, epoch="old")])
    await store.keep([kept(0, "b", epoch="new")])
    page = await store.newest(Wanted())

    assert numbers(page) == [0, 1]
    assert page.decisions[0].taken.entity == "b"


async def test_the_oldest_are_let_go(store: DecisionStore) -> None:
    await store.keep([kept(i) for i in range(MOST + 5)])
    page = await store.newest(Wanted(limit=MOST + 5))

    assert numbers(page) == list(range(MOST + 4, 4, -1))


@pytest.mark.parametrize("cursor", ["", "x", "é", "MTIz", "MS0yLTM=", "LTEtMA==", "A" * 99])
async def test_what_no_page_has_given_is_no_cursor(store: DecisionStore, cursor: str) -> None:
    await store.keep([kept(0)])
    if not cursor:
        assert numbers(await store.newest(Wanted(cursor=cursor))) == [0]
        return

    with pytest.raises(InvalidCursor):
        await store.newest(Wanted(cursor=cursor))


@pytest.mark.parametrize("position", [Position(0, 0), Position(1, 0), Position(10**14, 10**14)])
async def test_a_cursor_of_any_time_is_taken(store: DecisionStore, position: Position) -> None:
    await store.keep([kept(0)])
    page = await store.newest(Wanted(cursor=position.cursor))

    assert numbers(page) == ([0] if position.at_ms > 1 else [])


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
