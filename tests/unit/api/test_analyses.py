"""From the POST to the answer: completion, time-outs, polling, and what goes into the log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import httpx
import pytest

from api.analyses import Analyses
from api.batch import judged
from api.settings import ApiSettings
from models.catalog import PACKS
from models.contracts import ActionTaken, Reason
from models.errors import Unavailable
from models.packs.access.events import AccessEvent
from producer.records import OutRecord
from stream_agents.answers import Answer, Kept, MemoryResults
from tests.unit.api import loopback
from tests.unit.api.loopback import PARTITIONS, REPLY, Api, LoopBack, api, api_on, clients_of, event

SOON = ApiSettings(CENTINELA_WAIT_S=0.05)
LATER = ApiSettings(CENTINELA_WAIT_S=30)


async def post(to: Api, events: Sequence[Any], **headers: str) -> httpx.Response:
    return await to.client.post("/analyze", json=list(events), headers=headers)


async def sent(to: Api) -> list[OutRecord]:
    while not to.publisher.sent:
        await asyncio.sleep(0.001)
    return to.publisher.sent


async def test_results_stand_in_the_order_of_the_request() -> None:
    events = [event(i, path="/.env" if i % 3 == 0 else "/") for i in range(40)]
    to = api()
    answer = (await post(to, events)).json()

    assert {record.partition for record in to.publisher.sent} == set(range(PARTITIONS))
    assert [result["event_id"] for result in answer["results"]] == [
        each["event_id"] for each in events
    ]
    assert [result["threat"] for result in answer["results"]] == [i % 3 == 0 for i in range(40)]
    assert answer["summary"] == {
        "events": 40,
        "decided": 40,
        "duplicate": 0,
        "late": 0,
        "dead": 0,
        "invalid": 0,
        "allow": 26,
        "alert": 0,
        "challenge": 0,
        "block": 14,
    }


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_a_batch_is_complete_when_its_last_part_is_there(order: tuple[int, ...]) -> None:
    to = api(LATER, is_held=True)
    clients = [clients_of(partition)[0] for partition in range(3)]
    posted = asyncio.create_task(post(to, [event(i, client_ip=clients[i % 3]) for i in range(9)]))
    records = await sent(to)
    assert len(records) == 3

    for part in order:
        assert not posted.done()
        await to.publisher.release([records[part], records[part]])
        await asyncio.sleep(0.01)

    answer = await posted
    assert answer.status_code == 200
    assert [result["event_id"] for result in answer.json()["results"]] == [
        f"event-{i}" for i in range(9)
    ]


async def test_two_events_with_one_id_are_told_apart_by_their_order() -> None:
    answer = await post(api(), [event(1, path="/"), event(1, path="/.env"), event(1, path="/")])

    assert [result["action"] for result in answer.json()["results"]] == ["allow", "block", "allow"]


async def test_a_large_batch_of_one_client_comes_back_in_order() -> None:
    answer = await post(api(), [event(i, client_ip="203.0.113.1") for i in range(1000)])

    results = answer.json()["results"]
    assert [result["event_id"] for result in results] == [f"event-{i}" for i in range(1000)]


async def test_a_batch_that_takes_too_long_is_pending_and_can_be_polled() -> None:
    to = api(SOON, is_held=True)
    posted = await post(to, [event(0), event(1, status=1), *(event(i) for i in range(2, 8))])
    location = posted.headers["location"]
    batch_id = posted.json()["batch_id"]

    assert (posted.status_code, posted.headers["retry-after"]) == (202, "1")
    assert location == f"/v1/analyses/{batch_id}"
    assert posted.json()["status"] == "pending"

    first, *others = to.publisher.sent
    await to.publisher.release([first])
    polled = await to.client.get(location)
    assert (polled.status_code, polled.headers["location"]) == (202, location)
    assert polled.json()["answered"] == 1 + first.value.count(b"\n") + 1

    await to.publisher.release(others)
    complete = await to.client.get(location)
    assert complete.status_code == 200
    assert complete.json()["batch_id"] == batch_id
    assert complete.json()["results"][1]["outcome"] == "invalid"


@pytest.mark.parametrize("prefer", ["wait=30", "wait=0", ""])
async def test_a_batch_of_the_late_test_client_is_answered_when_it_is_polled(prefer: str) -> None:
    to = api()
    posted = await post(to, [event(0), event(1, client_ip="203.0.113.252")], Prefer=prefer)
    polled = await to.client.get(posted.headers["location"])

    assert (posted.status_code, posted.json()["status"]) == (202, "pending")
    assert (posted.json()["answered"], posted.json()["events"]) == (0, 2)
    assert (polled.status_code, polled.json()["summary"]["allow"]) == (200, 2)


async def test_a_polled_batch_equals_the_one_answered_at_once() -> None:
    to = api()
    posted = await post(to, [event(i) for i in range(5)])
    polled = await to.client.get(f"/v1/analyses/{posted.json()['batch_id']}")

    assert polled.content == posted.content


async def test_an_unknown_analysis_is_not_found() -> None:
    answer = await api().client.get("/v1/analyses/nothing")

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/unknown-analysis")


@pytest.mark.parametrize("prefer", ["wait=0", "respond-async, wait=0", 'WAIT="0"; x=y'])
async def test_a_caller_may_prefer_not_to_wait(prefer: str) -> None:
    answer = await post(api(LATER, is_held=True), [event()], Prefer=prefer)

    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "wait=0"


@pytest.mark.parametrize("prefer", ["wait=-1", "wait=soon", "return=minimal", ""])
async def test_a_preference_that_cannot_be_read_is_none(prefer: str) -> None:
    answer = await post(api(), [event()], Prefer=prefer)

    assert answer.status_code == 200
    assert "preference-applied" not in answer.headers


async def test_records_carry_what_brings_the_answer_back() -> None:
    to = api()
    answer = await post(to, [event(i) for i in range(8)], **{"X-Request-ID": "web-1-77"})

    headers = [dict(record.headers) for record in to.publisher.sent]
    assert [each["part"] for each in headers] == [b"%d" % i for i in range(len(headers))]
    for each in headers:
        assert each["batch"] == answer.json()["batch_id"].encode()
        assert each["reply"] == REPLY.encode()
        assert each["trace"] == b"web-1-77"


async def test_without_kafka_the_answer_is_to_try_again() -> None:
    class Away(LoopBack):
        async def send(self, records: Sequence[OutRecord]) -> None:
            raise Unavailable("Kafka at 10.0.0.7:9092: no answer within 2.5 s")

    answer = await post(api_on(Away(MemoryResults())), [event()])

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["type"] == "/problems/unavailable"
    assert "10.0.0.7" not in answer.text


async def test_a_caller_who_leaves_does_not_stop_the_records() -> None:
    results = MemoryResults()
    replies = results.replies(REPLY)
    may_send, was_sent = asyncio.Event(), asyncio.Event()

    class Slow(LoopBack):
        async def send(self, records: Sequence[OutRecord]) -> None:
            await may_send.wait()
            await super().send(records)
            was_sent.set()

    publisher = Slow(results)
    batch = judged(PACKS[0], [AccessEvent("2026-11-21T03:00:00Z", "a", "GET", "/", 200)], "batch")
    analyses = Analyses(publisher, replies, PARTITIONS)
    submitted = asyncio.create_task(analyses.submit(batch, "trace", 30))
    await asyncio.sleep(0.01)
    submitted.cancel()
    await asyncio.gather(submitted, return_exceptions=True)
    assert replies.waiting == 0

    may_send.set()
    await was_sent.wait()
    [[batch_id, _]] = results.batches.items()
    found = await analyses.find(batch_id)
    assert found is not None
    assert found.status == "complete"


async def test_without_redis_an_accepted_batch_is_pending() -> None:
    to, replies = Unreadable.api()
    answer = await post(to, [event()])

    assert answer.status_code == 202
    assert (await to.client.get(answer.headers["location"])).status_code == 503
    assert replies.reply == REPLY


class Unreadable:
    """Replies that take a batch, and then lose their Redis."""

    reply = REPLY
    waiting = 0

    @classmethod
    def api(cls) -> tuple[Api, Unreadable]:
        replies = cls()
        return api_on(LoopBack(MemoryResults(), is_held=True), replies=replies), replies

    async def open(self, batch: str, request: bytes, parts: int) -> None: ...

    async def wait(self, batch: str, timeout: float) -> dict[str, bytes]:
        raise Unavailable("redis: gone")

    def forget(self, batch: str) -> None: ...

    async def read(self, batch: str) -> Kept | None:
        raise Unavailable("redis: gone")

    async def ping(self) -> None:
        raise Unavailable("redis: gone")


@pytest.mark.parametrize("outcome", ["duplicate", "late", "dead"])
async def test_every_outcome_has_its_entry(outcome: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {
        "duplicate": ActionTaken("event-0", "duplicate", duplicate_of="event-0"),
        "late": ActionTaken("event-0", "late", error="behind the newest event"),
        "dead": ActionTaken("event-0", "dead", error="InvalidEvent: x" * 100),
    }
    monkeypatch.setattr(loopback, "taken", lambda _: made[outcome])
    body = (await post(api(), [event()])).json()

    [result] = body["results"]
    assert body["summary"][outcome] == 1
    assert (result["outcome"], result["action"], result["threat"]) == (outcome, None, False)
    assert ("error" in result, "duplicate_of" in result) == (
        outcome != "duplicate",
        outcome == "duplicate",
    )


async def test_a_decision_is_passed_on_with_its_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ActionTaken(
        "event-0",
        "decided",
        "challenge",
        score=0.875,
        ttl_s=3600,
        rules=("many_errors",),
        reasons=(Reason("many_errors", "errors in 10 min: 40, usual 1", 40.0, 1.0),),
        features={"client_errors_count_10m": 40.0},
        model="m-1",
        policy="p-1",
    )
    monkeypatch.setattr(loopback, "taken", lambda _: made)
    [result] = (await post(api(), [event()])).json()["results"]

    assert result == {
        "event_id": "event-0",
        "outcome": "decided",
        "threat": True,
        "action": "challenge",
        "score": 0.875,
        "ttl_s": 3600,
        "rules": ["many_errors"],
        "reasons": [
            {
                "code": "many_errors",
                "text": "errors in 10 min: 40, usual 1",
                "value": 40.0,
                "usual": 1.0,
            }
        ],
        "model": "m-1",
        "policy": "p-1",
        "features": {"client_errors_count_10m": 40.0},
    }


async def test_a_part_with_a_line_too_few_is_a_fault_of_ours() -> None:
    to = api(SOON, is_held=True)
    posted = await post(to, [event(1, client_ip="a"), event(2, client_ip="a")])
    [record] = to.publisher.sent
    headers = {name: value.decode() for name, value in record.headers}
    line = json.dumps({"event_id": "event-1", "outcome": "late"}).encode()
    await to.publisher.results.write([Answer(headers["batch"], "0", REPLY, line)])
    answer = await to.client.get(posted.headers["location"])

    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/internal")


async def test_a_process_that_ends_tells_who_waits_where_to_ask_again() -> None:
    """The server breaks off what still waits some seconds after it was told to stop."""
    publisher = LoopBack(MemoryResults(), is_held=True)
    analyses = Analyses(publisher, publisher.results.replies(REPLY), PARTITIONS)
    batch = judged(PACKS[0], [AccessEvent("2026-11-21T03:00:00Z", "a", "GET", "/", 200)], "batch")
    waiting = asyncio.create_task(analyses.submit(batch, "trace", 30))
    while not publisher.sent:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)

    waiting.cancel("the server ends")

    assert (await waiting).status == "pending"
