"""What holds for every route: problems, request ids, metrics, health, and the description."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.typing import EventDict

from api import examples
from api.schemas import (
    Analysis,
    EntityFeatures,
    EntryChanged,
    ListShown,
    Pending,
    PolicyShown,
)
from models.catalog import pack_named
from models.errors import Unavailable
from tests.unit.api.loopback import Api, States, api, event

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/problems/nothing", 404, "not-found"),
        ("GET", "/analyze", 405, "method-not-allowed"),
        ("DELETE", "/v1/analyses/1", 405, "method-not-allowed"),
        ("POST", "/analyze/", 404, "not-found"),
        ("GET", "/v1/lists/access/", 404, "not-found"),
        ("POST", "/openapi.json", 405, "method-not-allowed"),
    ],
)
async def test_the_framework_errors_are_problems_too(
    method: str, path: str, status: int, kind: str
) -> None:
    answer = await api().client.request(method, path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"/problems/{kind}"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/analyze", "POST"),
        ("/v1/lists/access/deny", "GET, POST"),
        ("/v1/lists/access/deny/203.0.113.7", "DELETE"),
        ("/v1/policies/access", "DELETE, GET, PUT"),
        ("/health", "GET"),
        ("/docs", "GET"),
    ],
)
async def test_a_refused_method_is_answered_with_all_those_allowed(path: str, allowed: str) -> None:
    answer = await api().client.request("PATCH", path)

    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


async def test_no_answer_sends_to_an_address_of_the_callers() -> None:
    answer = await api().client.get("/health/", headers={"Host": "elsewhere.example"})

    assert answer.status_code == 404
    assert "elsewhere" not in str(answer.headers)


class Faulty(States):
    async def state(self, partition: int, entity: str) -> bytes | None:
        raise ZeroDivisionError("a secret of ours")


async def test_a_fault_of_ours_is_a_problem_that_tells_nothing(journal: list[EventDict]) -> None:
    answer = await api(states=Faulty()).client.get("/v1/features/access/a")

    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/internal")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert journal[0]["event"] == "fault"
    assert journal[0]["trace"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("given", ["web-1-77", "a" * 128, "with a blank", "~"])
async def test_a_request_id_is_echoed(given: str) -> None:
    answer = await api().client.get("/health", headers={"X-Request-ID": given})

    assert answer.headers.get_list("x-request-id") == [given]


@pytest.mark.parametrize("given", [None, "", "a" * 129, "caf\u00e9", "a\tb", " "])
async def test_a_request_id_that_cannot_be_is_replaced(given: str | None) -> None:
    headers = [] if given is None else [(b"X-Request-ID", given.encode("latin-1"))]
    answer = await api().client.get("/nothing", headers=headers)

    [made] = answer.headers.get_list("x-request-id")
    assert made != given
    assert len(made) == 36


async def test_the_metrics_count_requests_batches_and_events() -> None:
    to = api()
    await to.client.post("/analyze", json=[event(1), event(2, path="/.env"), event(3, status=1)])
    await to.client.get("/nothing/here")
    text = (await to.client.get("/metrics")).text

    for line in (
        'centinela_api_requests_total{method="POST",route="/analyze",status="200"} 1.0',
        'centinela_api_requests_total{method="GET",route="unmatched",status="404"} 1.0',
        'centinela_api_batches_total{pack="access",status="complete"} 1.0',
        'centinela_api_events_total{action="allow",outcome="decided",pack="access"} 1.0',
        'centinela_api_events_total{action="block",outcome="decided",pack="access"} 1.0',
        'centinela_api_events_total{action="",outcome="invalid",pack="access"} 1.0',
        "centinela_api_pending_waits 0.0",
        'centinela_api_request_seconds_count{route="/analyze",status="200"} 1.0',
        'centinela_api_request_seconds_count{route="unmatched",status="404"} 1.0',
    ):
        assert line in text.splitlines()


@pytest.mark.parametrize("status", ["500", "503"])
async def test_failures_are_there_before_the_first(status: str) -> None:
    text = (await api().client.get("/metrics")).text

    for route in ("/analyze", "/v1/analyze"):
        labels = f'method="POST",route="{route}",status="{status}"'
        assert f"centinela_api_requests_total{{{labels}}} 0.0" in text.splitlines()


async def test_routes_with_parameters_are_counted_under_their_pattern() -> None:
    to = api()
    await to.client.get("/v1/features/access/203.0.113.7")

    assert 'route="/v1/features/{pack}/{entity:path}"' in (await to.client.get("/metrics")).text


async def fine() -> None:
    return None


async def gone() -> None:
    raise Unavailable("redis: no answer to PING")


@pytest.mark.parametrize(
    ("checks", "status", "parts"),
    [
        ({}, 200, {}),
        ({"kafka": fine, "redis": fine}, 200, {"kafka": "ok", "redis": "ok"}),
        ({"kafka": fine, "redis": gone}, 503, {"kafka": "ok", "redis": "unavailable"}),
    ],
)
async def test_readiness_names_the_part_that_is_away(
    checks: dict[str, Any], status: int, parts: dict[str, str]
) -> None:
    to = api(checks=checks)
    answer = await to.client.get("/readyz")

    assert (answer.status_code, answer.json()["parts"]) == (status, parts)
    assert (await to.client.get("/ready")).content == answer.content
    for alive in ("/livez", "/health"):
        assert (await to.client.get(alive)).status_code == 200


async def test_what_runs_is_told() -> None:
    told = (await api().client.get("/version")).json()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert told["release"] == project["version"]
    assert told["api"] == "v1"
    assert told["policies"] == {"access": pack_named("access").policy.version}


@pytest.mark.parametrize("path", ["/livez", "/nothing", "/analyze"])
async def test_every_answer_tells_how_long_it_took(path: str) -> None:
    answer = await api().client.get(path)

    assert re.fullmatch(r"total;dur=[0-9]+\.[0-9]", answer.headers["server-timing"])


async def test_a_request_is_one_log_line_without_payload(journal: list[EventDict]) -> None:
    to = api()
    headers = {"X-Request-ID": "web-1-77"}
    answer = await to.client.post("/analyze", json=[event(path="/secret")], headers=headers)
    await to.client.get("/health")

    [line] = journal
    assert "secret" not in str(line)
    assert line.pop("latency_ms") >= 0
    assert line.pop("summary")["decided"] == 1
    assert line == {
        "event": "request",
        "log_level": "info",
        "route": "/analyze",
        "status": 200,
        "trace": "web-1-77",
        "pack": "access",
        "batch_id": answer.json()["batch_id"],
        "batch": "complete",
        "events": 1,
    }


async def description(to: Api) -> Any:
    return (await to.client.get("/openapi.json")).json()


async def test_every_reference_of_the_description_is_there() -> None:
    text = (await api().client.get("/openapi.json")).text
    described = json.loads(text)

    for reference in set(text.split('"$ref":"')[1:]):
        name = reference.split('"')[0].removeprefix("#/components/schemas/")
        assert name in described["components"]["schemas"]


async def test_every_operation_has_a_summary_a_tag_and_an_id_of_its_own() -> None:
    paths = (await description(api()))["paths"]
    operations = [each for path in paths.values() for each in path.values()]

    assert all(each["summary"] and each["tags"] for each in operations)
    assert len({each["operationId"] for each in operations}) == len(operations)


async def test_fields_are_described_where_they_stand() -> None:
    schemas = (await description(api()))["components"]["schemas"]

    assert schemas["AccessEvent"]["properties"]["status"]["description"].startswith("HTTP status")
    assert "Args:" not in json.dumps(schemas)


@pytest.mark.parametrize(
    ("example", "struct"),
    [
        (examples.ANALYSIS, Analysis),
        (examples.PENDING, Pending),
        (examples.FEATURES, EntityFeatures),
        (examples.CHANGED, EntryChanged),
        (examples.LIST, ListShown),
        (examples.POLICY, PolicyShown),
    ],
)
def test_the_example_answers_are_what_we_send(
    example: dict[str, Any], struct: type[msgspec.Struct]
) -> None:
    decoded = msgspec.convert(example, struct)

    assert json.loads(msgspec.json.encode(decoded)) == example


async def test_the_page_that_describes_the_api_needs_no_other_host() -> None:
    client = api().client

    page = await client.get("/docs")

    sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert any(source.endswith(".js") for source in sources)
    assert [source for source in sources if "//" in source] == []
    assert {(await client.get(source)).status_code for source in sources} == {200}
