"""Listing what was answered."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from api.decisions import Explaining
from api.decisions_openapi import DECISIONS_PAGE
from api.schemas import Decisions
from models.catalog import pack_named
from models.contracts import ActionTaken
from models.errors import InvalidArtifact, Unavailable
from producer.instants import micros
from stream_agents.decided import Page, Wanted
from stream_agents.kept import MemoryDecisions
from stream_agents.memory import MemoryBroker, MemoryRetained
from stream_agents.regimes import Current, MemoryRegimes
from stream_agents.stage import KeptDecision
from tests.unit.api.loopback import Api, api
from tests.unit.stream_agents.pipeline import EVENTS, PACK, Pipeline, attack, line

CLIENTS = ["203.0.113.7", "2001:db8::7", "session é"]


@pytest.fixture
async def to() -> Api:
    pipeline = Pipeline()
    attacks = [attack(client, event_id=f"{i} of {client}") for i in range(3) for client in CLIENTS]
    pipeline.send(line(event_id="allowed"), *attacks)
    await pipeline.drain()
    return asking(pipeline.kept)


def asking(kept: MemoryDecisions) -> Api:
    def load() -> Any:
        raise InvalidArtifact("none is needed")

    events = MemoryRetained(MemoryBroker(lambda: 0), EVENTS)
    regime = Current(PACK, MemoryRegimes())
    return api(explaining=Explaining(pack_named("access"), kept, events, regime, load))


async def test_the_newest_answers_are_listed_with_their_reasons(to: Api) -> None:
    answer = await to.client.get("/v1/decisions?limit=2")

    body = answer.json()
    assert answer.status_code == 200
    assert [each["event_id"] for each in body["decisions"]] == [
        "2 of session é",
        "2 of 2001:db8::7",
    ]
    newest = body["decisions"][0]
    assert (newest["entity"], newest["action"]) == ("session é", "block")
    assert "path_traversal" in newest["rules"]
    assert "path_traversal" in [reason["code"] for reason in newest["reasons"]]
    assert micros(newest["decided_at"]) > micros(newest["occurred_at"])
    assert "features" not in newest


async def test_the_pages_hold_all_but_what_was_allowed(to: Api) -> None:
    seen, cursor = [], ""
    while cursor is not None:
        asked = f"&cursor={cursor}" if cursor else ""
        page = (await to.client.get(f"/v1/decisions?limit=4{asked}")).json()
        seen += [each["event_id"] for each in page["decisions"]]
        cursor = page["next"]

    assert seen == [f"{i} of {client}" for i in (2, 1, 0) for client in reversed(CLIENTS)]


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("", 9),
        ("?pack=access", 9),
        ("?entity=203.0.113.7", 3),
        ("?entity=session%20%C3%A9", 3),
        ("?entity=203.0.113.8", 0),
        ("?action=block", 9),
        ("?action=alert", 0),
        ("?since=1h", 9),
        ("?since=2001-01-01T00:00:00Z", 9),
        ("?since=2001-01-01T00:00:00%2B02:00", 9),
        ("?since=2199-01-01T00:00:00Z", 0),
        ("?since=99999d", 9),
        ("?entity=203.0.113.7&action=block&since=1h&limit=200", 3),
    ],
)
async def test_filters_are_applied_together(to: Api, query: str, number: int) -> None:
    answer = await to.client.get(f"/v1/decisions{query}")

    assert answer.status_code == 200, answer.text
    assert len(answer.json()["decisions"]) == number


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("action=allow", "action must be one of"),
        ("action=do-not-repeat-me", "action must be one of"),
        ("since=do-not-repeat-me", "since must be"),
        ("since=2h ago", "since must be"),
        ("limit=0", "limit must be 1 to 200"),
        ("limit=201", "limit must be 1 to 200"),
        ("limit=-1", "limit must be 1 to 200"),
        ("limit=1e1", "limit must be 1 to 200"),
        ("limit=%D9%A3", "limit must be 1 to 200"),
        ("limit=" + "9" * 200, "limit must be 1 to 200"),
        ("cursor=do-not-repeat-me", "cursor must be"),
        ("cursor=", "1 to 256 characters"),
        ("entity=", "1 to 256 characters"),
        ("entity=" + "a" * 257, "1 to 256 characters"),
        ("entity=a&entity=b", "each at most once"),
        ("actoin=do-not-repeat-me", "the parameters are"),
    ],
)
async def test_a_parameter_that_cannot_be_meant_is_a_problem(
    to: Api, query: str, detail: str
) -> None:
    answer = await to.client.get(f"/v1/decisions?{query}")

    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/invalid-parameter")
    assert detail in answer.json()["detail"]
    assert "do-not-repeat-me" not in answer.text


async def test_there_is_no_history_of_an_unknown_pack(to: Api) -> None:
    answer = await to.client.get("/v1/decisions?pack=fraud")

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/unknown-pack")


async def test_a_history_that_is_away_is_unavailable() -> None:
    class Away(MemoryDecisions):
        async def newest(self, wanted: Wanted) -> Page:
            raise Unavailable("redis: gone")

    answer = await asking(Away()).client.get("/v1/decisions")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


class All(MemoryDecisions):
    """Whatever is written to it."""

    is_complete = True


async def with_all(*answers: ActionTaken) -> Api:
    store = All()
    await store.keep(
        [KeptDecision(each.event_id, "", None, msgspec.json.encode(each)) for each in answers]
    )
    return asking(store)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("action=allow", ["a"]),
        ("outcome=late", ["l"]),
        ("outcome=dead", ["0-1-2"]),
        ("outcome=duplicate", ["d"]),
        ("outcome=decided&action=allow", ["a"]),
        ("outcome=any", ["0-1-2", "l", "d", "a"]),
    ],
)
async def test_where_all_is_recorded_all_can_be_asked_for(query: str, ids: list[str]) -> None:
    to = await with_all(
        ActionTaken("a", "decided", "allow", "e"),
        ActionTaken("d", "duplicate", entity="e", duplicate_of="a"),
        ActionTaken("l", "late", entity="e"),
        ActionTaken("0-1-2", "dead"),
    )
    answer = await to.client.get(f"/v1/decisions?{query}")

    assert answer.status_code == 200, answer.text
    assert [each["event_id"] for each in answer.json()["decisions"]] == ids


async def test_an_outcome_without_an_action_tells_why() -> None:
    to = await with_all(
        ActionTaken("d", "duplicate", None, "e", "2026-11-21T03:00:00Z", duplicate_of="a"),
        ActionTaken("0-1-2", "dead", error="DecodeError: " + "x" * 5_000),
    )
    dead, repeat = (await to.client.get("/v1/decisions?outcome=any")).json()["decisions"]

    assert (dead["outcome"], dead["entity"], dead["occurred_at"]) == ("dead", None, None)
    assert dead["error"]["detail"].startswith("DecodeError: x")
    assert len(dead["error"]["detail"]) < 1_000
    assert "duplicate_of" not in dead
    assert (repeat["outcome"], repeat["duplicate_of"], repeat["action"]) == ("duplicate", "a", None)
    assert "error" not in repeat


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("outcome=allowed", "outcome must be one of decided, duplicate, late, dead, any"),
        ("outcome=late&outcome=dead", "each at most once"),
        ("action=none", "action must be one of allow, alert, challenge, block"),
    ],
)
async def test_where_all_is_recorded_not_anything_can_be_meant(query: str, detail: str) -> None:
    answer = await (await with_all()).client.get(f"/v1/decisions?{query}")

    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/invalid-parameter")
    assert detail in answer.json()["detail"]


async def test_an_outcome_cannot_be_asked_for_where_only_the_newest_are_kept(to: Api) -> None:
    answer = await to.client.get("/v1/decisions?outcome=late")

    assert answer.status_code == 400
    assert "the parameters are" in answer.json()["detail"]


async def test_the_description_says_what_can_be_asked_for(to: Api) -> None:
    async def choices(api: Api) -> dict[str, list[str]]:
        described = (await api.client.get("/openapi.json")).json()["paths"]["/v1/decisions"]["get"]
        return {each["name"]: each["schema"].get("enum", []) for each in described["parameters"]}

    of_kept, of_all = await choices(to), await choices(await with_all())

    assert set(of_all) - set(of_kept) == {"outcome"}
    assert set(of_all["action"]) - set(of_kept["action"]) == {"allow"}


def test_the_example_is_what_we_send() -> None:
    decoded = msgspec.convert(DECISIONS_PAGE, Decisions)

    assert msgspec.json.decode(msgspec.json.encode(decoded)) == DECISIONS_PAGE
