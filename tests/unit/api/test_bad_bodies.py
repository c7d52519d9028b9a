"""What the door says to bodies that it cannot use: the table, run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.api.bad_bodies import POLICY, SECRET, TABLE, Bad, said
from tests.unit.api.loopback import Api, api

PAGE = Path(__file__).parents[3] / "docs/reference/bad-bodies.md"
CASES = [
    pytest.param(bad, id=f"{title}: {bad.id}") for title, table in TABLE.items() for bad in table
]


async def sent(to: Api, bad: Bad) -> Any:
    given = {"Content-Type": bad.content_type, "Content-Encoding": bad.encoding}
    headers = {name: value for name, value in given.items() if value is not None}
    method = "PUT" if bad.path == POLICY else "POST"
    return await to.client.request(method, bad.path, content=bad.body, headers=headers)


@pytest.mark.parametrize("bad", CASES)
async def test_a_bad_body_is_told_where_it_is_bad(bad: Bad) -> None:
    to = api()
    answer = await sent(to, bad)

    told = answer.json()
    assert answer.status_code == bad.status, told
    assert SECRET not in answer.text
    assert len(answer.content) < 2_000
    if bad.status == 200:
        *good, last = told["results"]
        assert [result["outcome"] for result in good] == ["decided"]
        assert (last["outcome"], last["error"]["pointer"]) == ("invalid", bad.pointer)
        return
    assert answer.headers["content-type"] == "application/problem+json"
    assert (told["status"], told["type"]) == (bad.status, f"/problems/{bad.kind}")
    assert told["title"]
    assert told["detail"]
    errors = told.get("errors") or [{}]
    assert errors[0].get("pointer") == bad.pointer
    assert to.publisher.sent == []


def test_the_documented_answers_are_those_given() -> None:
    rows = [row.strip("| ").split(" | ") for row in PAGE.read_text().splitlines() if "|" in row]
    told = {(row[0], row[1]): row[-1] for row in rows}

    given = {
        (title, bad.id): said(bad).replace("|", "\\|")
        for title, table in TABLE.items()
        for bad in table
    }
    assert {case: told.get(case) for case in given} == given
    assert len(told) == len(given) + 2  # the head of the table, and the rule under it
