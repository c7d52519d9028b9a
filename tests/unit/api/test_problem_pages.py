"""What a problem's `type` links to: a cause, an example that has it, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.problem_kinds import KINDS, page_of, reference
from tests.unit.api.whole import whole

PAGE = Path(__file__).parents[3] / "docs/reference/problems.md"
SHOWN = [name for name, kind in KINDS.items() if not isinstance(kind.example, str)]


@pytest.mark.parametrize("name", KINDS)
async def test_every_problem_links_to_its_page(name: str) -> None:
    answer = await (await whole()).client.get(f"/problems/{name}")

    kind = KINDS[name]
    assert (answer.status_code, answer.text) == (200, page_of(name))
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    for part in (name, str(kind.status), kind.cause, "Example:", kind.fix):
        assert part in answer.text


@pytest.mark.parametrize("name", SHOWN)
async def test_the_examples_have_the_problem(name: str) -> None:
    to = await whole()
    requests = KINDS[name].example
    assert not isinstance(requests, str)
    for request in requests:
        answer = await to.client.request(
            request.method, request.path, content=request.body, headers=dict(request.headers)
        )

    assert (answer.status_code, answer.json()["type"]) == (KINDS[name].status, f"/problems/{name}")


def test_most_problems_are_shown_by_requests() -> None:
    in_words = {name for name in KINDS if name not in SHOWN}

    assert in_words == {
        *("invalid-encoding", "idempotency-key-in-flight", "too-large", "unavailable"),
        *("internal", "http"),
    }


def test_the_documentation_is_made_of_the_same() -> None:
    assert PAGE.read_text() == reference(), "make it again: python -m scripts.reference"
