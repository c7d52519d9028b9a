"""Finding the lines that break our code: each in its context, in few attempts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from producer.records import Record
from stream_agents.stage import Place, find_poison

LINES = 200
RECORD = Record(3, 7, 0, b"\n".join(b"line %d" % number for number in range(LINES)))


class Attempts:
    """Counts the attempts, each of which raises where what is left of the lines does."""

    def __init__(self, breaks: Callable[[Sequence[int]], bool]) -> None:
        self.made = 0
        self._breaks = breaks

    def __call__(self, without: Sequence[Place]) -> None:
        self.made += 1
        gone = {place.line for place in without}
        if self._breaks([line for line in range(LINES) if line not in gone]):
            raise ValueError("broken")


@pytest.mark.parametrize("poison", [[], [0], [LINES - 1], [3, 4, 90, 91, 150], [*range(LINES)]])
async def test_each_line_that_breaks_our_code_is_found_and_no_other(poison: list[int]) -> None:
    attempts = Attempts(lambda lines: bool(set(lines) & set(poison)))

    found = await find_poison([RECORD], attempts)

    assert found == [Place(3, 7, line) for line in poison]
    assert attempts.made <= 1 + 9 * len(poison)


async def test_a_line_that_breaks_our_code_only_behind_others_is_found() -> None:
    attempts = Attempts(lambda lines: {5, 40} <= set(lines))

    assert await find_poison([RECORD], attempts) == [Place(3, 7, 40)]


async def test_the_search_ends_even_where_no_line_is_at_fault() -> None:
    attempts = Attempts(lambda lines: True)

    assert len(await find_poison([RECORD], attempts)) == LINES


async def test_others_have_a_turn_before_each_attempt() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    attempts = Attempts(lambda lines: 90 in lines)
    counting = asyncio.create_task(count())
    await find_poison([RECORD], attempts)
    counting.cancel()

    assert turns >= attempts.made > 1
