"""What `POST /analyze` takes, what it refuses, and what it says about it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from api.settings import ApiSettings
from tests.unit.api.loopback import Api, api, event

JSON = "application/json"
NDJSON = "application/x-ndjson"
TEXT = "text/plain"
LOG_LINE = '203.0.113.7 - - [21/Nov/2026:03:00:00 +0000] "GET /.env HTTP/1.1" 404 153 "-" "curl/8"'
SECRET = "do-not-repeat-me"


async def post(
    to: Api, body: Any, content_type: str | None = JSON, path: str = "/v1/analyze"
) -> httpx.Response:
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    headers = {"Content-Type": content_type} if content_type is not None else {}
    return await to.client.post(path, content=content, headers=headers)


def lines(*events: dict[str, object]) -> str:
    return "\n".join(json.dumps(each) for each in events) + "\n"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param({"pack": "access", "events": [event(0), event(1)]}, JSON, id="batch"),
        pytest.param({"events": [event(0), event(1)]}, JSON, id="batch without a pack"),
        pytest.param({"pack": None, "events": [event(0), event(1)]}, JSON, id="null pack"),
        pytest.param([event(0), event(1)], "application/json; charset=utf-8", id="list"),
        pytest.param(" \n" + json.dumps([event(0), event(1)]), "Application/JSON", id="blanks"),
        pytest.param(lines(event(0), event(1)), NDJSON, id="lines"),
        pytest.param("\n" + lines(event(0)) + "\r\n" + lines(event(1)), NDJSON, id="blank lines"),
        pytest.param(f"{LOG_LINE}\n{LOG_LINE}", TEXT, id="log"),
    ],
)
@pytest.mark.parametrize("path", ["/analyze", "/v1/analyze", "/analyze?pack=access"])
async def test_a_batch_may_come_in_many_shapes(body: Any, content_type: str, path: str) -> None:
    answer = await post(api(), body, content_type, path)

    assert answer.status_code == 200
    assert answer.json()["summary"]["decided"] == 2


async def test_an_event_without_an_id_is_named_after_its_batch_and_place() -> None:
    answer = (await post(api(), f"{LOG_LINE}\nno line\n{LOG_LINE}", TEXT)).json()

    first, bad, last = answer["results"]
    assert first["event_id"] == f"{answer['batch_id']}-0"
    assert bad["event_id"] is None
    assert last["event_id"] == f"{answer['batch_id']}-2"
    assert last["entity"] == "203.0.113.7"


@pytest.mark.parametrize(
    ("bad", "pointer", "event_id"),
    [
        pytest.param({**event(), "status": "200"}, "/events/1/status", "event-0", id="type"),
        pytest.param({**event(), "status": 99}, "/events/1/status", "event-0", id="range"),
        pytest.param({**event(), "status": 10**30}, "/events/1/status", "event-0", id="huge"),
        pytest.param({**event(), "bytes": -1}, "/events/1/bytes", "event-0", id="negative"),
        pytest.param(
            {**event(), "occurred_at": SECRET}, "/events/1/occurred_at", "event-0", id="time"
        ),
        pytest.param({**event(), "client_ip": ""}, "/events/1/client_ip", "event-0", id="empty"),
        pytest.param({**event(), "color": SECRET}, "/events/1/color", "event-0", id="unknown"),
        pytest.param({**event(), f"<{SECRET}>": 1}, "/events/1", "event-0", id="strange name"),
        pytest.param({"event_id": "x"}, "/events/1/occurred_at", "x", id="missing"),
        pytest.param({**event(), "event_id": "x" * 300}, "/events/1/event_id", None, id="long id"),
        pytest.param({**event(), "event_id": 7}, "/events/1/event_id", None, id="number as id"),
        pytest.param(7, "/events/1", None, id="no object"),
        pytest.param(None, "/events/1", None, id="null"),
        pytest.param([[[]]], "/events/1", None, id="nested"),
    ],
)
@pytest.mark.parametrize("content_type", [JSON, NDJSON])
async def test_a_bad_event_does_not_fail_the_others(
    bad: Any, pointer: str, event_id: str | None, content_type: str
) -> None:
    events = [event(10), bad, event(11)]
    body = json.dumps(events) if content_type == JSON else "\n".join(map(json.dumps, events))
    answer = await post(api(), body, content_type)

    first, middle, last = answer.json()["results"]
    assert answer.status_code == 200
    assert [first["event_id"], last["event_id"]] == ["event-10", "event-11"]
    assert (middle["event_id"], middle["outcome"]) == (event_id, "invalid")
    assert middle["error"]["pointer"] == pointer
    assert SECRET not in answer.text
    summary = answer.json()["summary"]
    assert (summary["events"], summary["allow"], summary["invalid"]) == (3, 2, 1)


async def test_only_valid_events_are_published() -> None:
    to = api()
    await post(to, [event(1, status=1), event(2)])

    assert b"".join(record.value for record in to.publisher.sent).count(b"event_id") == 1


async def test_a_bad_log_line_does_not_fail_the_others() -> None:
    answer = await post(api(), f"{LOG_LINE}\n{SECRET}\n".encode() + b"\xff\n", TEXT)

    outcomes = [result["outcome"] for result in answer.json()["results"]]
    assert outcomes == ["decided", "invalid", "invalid"]
    assert SECRET not in answer.text


DEEP = "[" * 100_000

REFUSED = [
    pytest.param("{", JSON, 400, "invalid-json", id="cut off"),
    pytest.param("", JSON, 400, "invalid-json", id="empty"),
    pytest.param('[{"status": NaN}]', JSON, 400, "invalid-json", id="NaN"),
    pytest.param('{"events": [Infinity]}', JSON, 400, "invalid-json", id="infinity"),
    pytest.param("[] []", JSON, 400, "invalid-json", id="two values"),
    pytest.param(DEEP, JSON, 400, "invalid-json", id="deep"),
    pytest.param('[{"path":' * 50_000, JSON, 400, "invalid-json", id="deep objects"),
    pytest.param(b"\xff\xfe[]", JSON, 400, "invalid-encoding", id="UTF-16"),
    pytest.param(b"\xef\xbb\xbf[]", JSON, 400, "invalid-encoding", id="byte-order mark"),
    pytest.param("3", JSON, 422, "invalid-batch", id="number"),
    pytest.param("null", JSON, 422, "invalid-batch", id="null"),
    pytest.param("[]", JSON, 422, "invalid-batch", id="no event"),
    pytest.param('{"events": []}', JSON, 422, "invalid-batch", id="no event in a batch"),
    pytest.param('{"pack": "access"}', JSON, 422, "invalid-batch", id="no events"),
    pytest.param('{"events": 3}', JSON, 422, "invalid-batch", id="events no list"),
    pytest.param('{"pack": 3, "events": []}', JSON, 422, "invalid-batch", id="pack no text"),
    pytest.param('{"events": [], "x": 1}', JSON, 422, "invalid-batch", id="unknown field"),
    pytest.param("\n\n", NDJSON, 422, "invalid-batch", id="blank lines"),
    pytest.param("", TEXT, 422, "invalid-batch", id="empty log"),
    pytest.param('[{"path": "\\ud800"}]', JSON, 400, "invalid-json", id="lone surrogate"),
    pytest.param('{"path": "\\ud800"}', NDJSON, 422, "invalid-events", id="in a line"),
    pytest.param('[{"path": "\\ud800"}]', NDJSON, 422, "invalid-events", id="a list as a line"),
    pytest.param("[{}]", JSON, 422, "invalid-events", id="empty event"),
    pytest.param("[1e999]", JSON, 422, "invalid-events", id="1e999"),
    pytest.param(f"{SECRET}\n", TEXT, 422, "invalid-events", id="no log line"),
    pytest.param(f"{SECRET}\n", NDJSON, 422, "invalid-events", id="no JSON line"),
    pytest.param([event(status=SECRET)], JSON, 422, "invalid-events", id="all bad"),
    pytest.param({"pack": SECRET, "events": []}, JSON, 404, "unknown-pack", id="unknown pack"),
    pytest.param("[]", "text/html", 415, "unsupported-media-type", id="HTML"),
    pytest.param("[]", "", 415, "unsupported-media-type", id="no type"),
    pytest.param("[]", None, 415, "unsupported-media-type", id="no header"),
]


@pytest.mark.parametrize(("body", "content_type", "status", "kind"), REFUSED)
async def test_what_is_no_batch_is_a_problem(
    body: Any, content_type: str | None, status: int, kind: str
) -> None:
    to = api()
    answer = await post(to, body, content_type)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"/problems/{kind}"
    assert answer.json()["status"] == status
    assert SECRET not in answer.text
    assert to.publisher.sent == []


async def test_every_bad_event_is_named_when_all_are_bad() -> None:
    answer = await post(api(), [event(status=1), 3])

    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert pointers == ["/events/0/status", "/events/1"]


@pytest.mark.parametrize("pack", ["nothing", "", "Access"])
@pytest.mark.parametrize(
    ("body", "content_type"), [([event()], JSON), (lines(event()), NDJSON), (LOG_LINE, TEXT)]
)
async def test_an_unknown_pack_in_the_query_is_not_found(
    body: Any, content_type: str, pack: str
) -> None:
    answer = await post(api(), body, content_type, f"/analyze?pack={pack}")

    expected = (415, "unsupported-media-type") if content_type == TEXT else (404, "unknown-pack")
    assert (answer.status_code, answer.json()["type"]) == (expected[0], f"/problems/{expected[1]}")


async def test_an_empty_pack_in_the_body_is_not_found() -> None:
    answer = await post(api(), {"pack": "", "events": [event()]})

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/unknown-pack")


async def test_two_different_packs_are_refused() -> None:
    answer = await post(api(), {"pack": "other", "events": [event()]}, path="/analyze?pack=access")

    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/invalid-parameter")


@pytest.mark.parametrize(("events", "status"), [(2, 200), (3, 200), (4, 413)])
@pytest.mark.parametrize("content_type", [JSON, NDJSON, TEXT])
async def test_a_batch_has_a_greatest_number_of_events(
    events: int, status: int, content_type: str
) -> None:
    bodies = {
        JSON: json.dumps([event(i) for i in range(events)]),
        NDJSON: lines(*(event(i) for i in range(events))),
        TEXT: f"{LOG_LINE}\n" * events,
    }
    answer = await post(api(ApiSettings(max_events=3)), bodies[content_type], content_type)

    assert answer.status_code == status


async def test_many_bad_events_are_counted_before_they_are_looked_at() -> None:
    answer = await post(api(), "[" + "1," * 500_000 + "1]")

    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-large")


@pytest.mark.parametrize(("over", "status"), [(-1, 200), (0, 200), (1, 413)])
@pytest.mark.parametrize("is_streamed", [False, True], ids=["with length", "without"])
async def test_a_body_has_a_greatest_size(over: int, status: int, is_streamed: bool) -> None:
    body = json.dumps([event()]).encode()
    to = api(ApiSettings(max_body_bytes=len(body) - over))

    async def pieces() -> Any:
        for start in range(0, len(body), 16):
            yield body[start : start + 16]

    content = pieces() if is_streamed else body
    answer = await to.client.post("/analyze", content=content, headers={"Content-Type": JSON})

    assert answer.status_code == status
    if status == 413:
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_length_of_thousands_of_digits_is_too_large() -> None:
    headers = {"Content-Type": JSON, "Content-Length": "9" * 5_000}
    answer = await api().client.post("/analyze", content=b"", headers=headers)

    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-large")


@pytest.mark.parametrize("name", ["` - at `$.status", "x` - at `$." + SECRET * 20, "`", "a b"])
async def test_a_field_named_like_a_message_is_not_repeated(name: str) -> None:
    answer = await post(api(), [{**event(), name: 1}])

    [error] = answer.json()["errors"]
    assert error["detail"] == "unknown field"
    assert SECRET not in error["pointer"]
    assert error["pointer"].startswith("/events/0")


async def test_what_looks_like_an_escaped_nul_is_no_nul() -> None:
    answer = await post(api(), [event(path="/\\u0000")])

    assert answer.json()["summary"]["decided"] == 1


async def test_an_event_longer_than_a_record_is_invalid() -> None:
    answer = await post(api(), [event(1, path="/" + "a" * 300_000), event(2)])

    assert [result["outcome"] for result in answer.json()["results"]] == ["invalid", "decided"]
