"""Lists and policy over HTTP: what is put there, what is refused and why."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from structlog.typing import EventDict

from models.catalog import pack_named
from models.errors import Unavailable
from models.regime import PolicyFile
from producer.instants import micros
from stream_agents import regimes as regimes_module
from stream_agents.regimes import MemoryRegimes, Stored
from tests.unit.api.loopback import Api, api

DENY, ALLOW, POLICY = "/v1/lists/access/deny", "/v1/lists/access/allow", "/v1/policies/access"
OWN = pack_named("access").policy.version
RANGE = "203.0.113.0/24"


@pytest.fixture
def store() -> MemoryRegimes:
    return MemoryRegimes()


@pytest.fixture
def to(store: MemoryRegimes) -> Api:
    return api(regimes=store)


async def names(to: Api, path: str) -> list[str]:
    return [entry["entry"] for entry in (await to.client.get(path)).json()["entries"]]


async def test_an_entry_is_listed_as_it_was_given(to: Api) -> None:
    given = {"entry": "::ffff:203.0.113.7", "note": "abuse report 7", "author": "ana"}
    added = await to.client.post(DENY, json={**given, "until": "2199-01-01T00:00:00Z"})
    shown = (await to.client.get(DENY)).json()

    assert added.status_code == 201
    assert (shown["pack"], shown["list"], shown["revision"]) == ("access", "deny", 1)
    [entry] = shown["entries"]
    assert entry == added.json()["entry"]
    assert entry.pop("added_at") > "2025"
    assert entry == {**given, "entry": "203.0.113.7", "until": "2199-01-01T00:00:00.000Z"}


async def test_the_lists_stand_apart(to: Api) -> None:
    await to.client.post(DENY, json={"entry": RANGE})
    await to.client.post(ALLOW, json={"entry": "203.0.113.7"})

    assert (await names(to, DENY), await names(to, ALLOW)) == ([RANGE], ["203.0.113.7"])


async def test_an_entry_may_live_for_some_seconds(to: Api) -> None:
    added = await to.client.post(DENY, json={"entry": RANGE, "ttl_s": 7200})
    entry = added.json()["entry"]

    assert micros(entry["until"]) - micros(entry["added_at"]) == 7_200_000_000


async def test_what_has_ended_is_not_shown(to: Api, store: MemoryRegimes) -> None:
    ended = regimes_module.cleared(RANGE, 1)
    await store.add(ended, 1)

    assert await names(to, DENY) == await names(to, ALLOW) == []


@pytest.mark.parametrize("asked", [RANGE, "203.0.113.0%2F24", "203.0.113.0/255.255.255.0"])
async def test_an_entry_is_taken_off_its_list(to: Api, asked: str) -> None:
    await to.client.post(DENY, json={"entry": RANGE})
    removed = await to.client.delete(f"{DENY}/{asked}")

    assert (removed.status_code, removed.json()["revision"]) == (200, 2)
    assert removed.json()["entry"]["entry"] == RANGE
    assert await names(to, DENY) == []


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"entry": "203.0.113.300"}, "must be an address"),
        ({"entry": "203.0.113.7/24"}, "a range starts at its first address: 203.0.113.0/24"),
        ({"entry": ""}, "must be 1 to 200 printable characters"),
        ({"entry": "0.0.0.0/0"}, "must not cover every address"),
        ({"entry": RANGE, "ttl_s": 0}, "Expected `int` >= 1"),
        ({"entry": RANGE, "until": "tomorrow"}, "until must be an RFC 3339 time"),
        ({"entry": RANGE, "until": "2001-01-01T00:00:00Z"}, "must end in the future"),
        ({"entry": RANGE, "ttl_s": 10**10 * 26}, "Expected `int` <= 10000000000"),
        ({"entry": RANGE, "until": "2199-01-01T00:00:00Z", "ttl_s": 1}, "until or ttl_s, not both"),
        ({"entry": RANGE, "note": "n" * 201}, "Expected `str` of length <= 200"),
        ({"entry": RANGE, "reason": "n"}, "unknown field"),
        ({}, "required, but missing"),
    ],
)
async def test_an_entry_that_cannot_be_meant_is_a_problem(
    to: Api, body: dict[str, Any], detail: str
) -> None:
    answer = await to.client.post(DENY, json=body)

    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-entry")
    assert detail in answer.json()["detail"]
    assert ", got" not in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/v1/lists/nothing/deny", 404, "unknown-pack"),
        ("GET", "/v1/lists/access/grey", 404, "unknown-list"),
        ("GET", "/v1/lists/access/cleared", 404, "unknown-list"),
        ("POST", "/v1/lists/access/grey", 404, "unknown-list"),
        ("DELETE", f"{DENY}/{RANGE}", 404, "unknown-entry"),
        ("DELETE", f"{DENY}/203.0.113.300", 422, "invalid-entry"),
        ("DELETE", DENY, 405, "method-not-allowed"),
        ("GET", "/v1/policies/nothing", 404, "unknown-pack"),
        ("POST", DENY, 415, "unsupported-media-type"),
        ("PUT", POLICY, 415, "unsupported-media-type"),
    ],
)
async def test_what_is_not_there_is_a_problem(
    to: Api, method: str, path: str, status: int, kind: str
) -> None:
    answer = await to.client.request(method, path)

    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{kind}")


async def test_a_change_is_told_in_the_log(to: Api, journal: list[EventDict]) -> None:
    await to.client.post(ALLOW, json={"entry": RANGE, "author": "ana"})

    told = {name: journal[0][name] for name in ("pack", "list", "entry", "author", "revision")}
    assert told == {
        "pack": "access",
        "list": "allow",
        "entry": RANGE,
        "author": "ana",
        "revision": 1,
    }


async def test_the_policy_is_the_packs_own_at_first(to: Api) -> None:
    shown = (await to.client.get(POLICY)).json()

    assert (shown["version"], shown["revision"], shown["changes"]) == (OWN, 0, None)
    assert shown["policy"]["ttl"]["block"] == "4h"


async def test_a_changed_policy_is_shown_and_taken_back(to: Api) -> None:
    changes = {"score": {"alert": 0.9}}
    changed = (await to.client.put(POLICY, json=changes)).json()
    shown = (await to.client.get(POLICY)).json()
    reset = (await to.client.delete(POLICY)).json()

    assert changed == shown
    assert (shown["version"], shown["changes"]) == (f"{OWN}+policy.1", changes)
    assert shown["policy"]["score"] == {"alert": 0.9}
    assert (reset["version"], reset["revision"], reset["changes"]) == (OWN, 2, None)


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"scores": {}}, "unknown field"),
        ({"score": {"alert": 1.7}}, "the score for alert must be in [0, 1]"),
        ({"ttl": {"alert": "10m"}}, "a block must have a time to live"),
        ({"ttl": {"block": "long"}}, "ttl.block must be a duration"),
    ],
)
async def test_a_policy_that_breaks_a_rule_is_refused_and_not_kept(
    to: Api, store: MemoryRegimes, changes: dict[str, Any], detail: str
) -> None:
    answer = await to.client.put(POLICY, json=changes)

    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-policy")
    assert detail in answer.json()["detail"]
    assert await store.revisions() == (0, 0)


async def test_changes_of_another_release_are_shown_beside_the_policy_in_force(
    to: Api, store: MemoryRegimes
) -> None:
    await store.change_policy(PolicyFile(ttl={"alert": "10m"}))
    shown = (await to.client.get(POLICY)).json()

    assert (shown["version"], shown["changes"]) == (OWN, {"ttl": {"alert": "10m"}})


class Away(MemoryRegimes):
    async def read(self) -> Stored:
        raise Unavailable("redis: gone")


@pytest.mark.parametrize("path", [DENY, POLICY])
async def test_a_store_that_is_away_is_unavailable(path: str) -> None:
    answer: httpx.Response = await api(regimes=Away()).client.get(path)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
