"""A batch that is sent again under its key is taken once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from api.settings import ApiSettings
from models.errors import Unavailable
from producer.records import OutRecord
from stream_agents.answers import MemoryResults
from stream_agents.idempotency import Claim, MemoryIdempotency
from tests.unit.api.loopback import Api, LoopBack, api, api_on, event

KEY = '"8e03978e-40d5-43e8-bc93-6894a57f9324"'
NAMELESS = event(event_id="")
AT_ONCE = ApiSettings(CENTINELA_WAIT_S=0)


async def post(to: Api, body: Any, key: str = KEY, path: str = "/v1/analyze") -> httpx.Response:
    return await to.client.post(path, json=body, headers={"Idempotency-Key": key})


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


class Failing(LoopBack):
    """Fails as often as it is told to, with the records in the log or not."""

    def __init__(self, failures: int, is_written: bool = False) -> None:
        super().__init__(MemoryResults())
        self.failures = failures
        self.is_written = is_written

    async def send(self, records: Sequence[OutRecord]) -> None:
        self.failures -= 1
        if self.failures < 0 or self.is_written:
            await super().send(records)
        if self.failures >= 0:
            raise Unavailable("Kafka: no answer")


async def test_the_same_request_is_answered_with_what_was_answered() -> None:
    to = api()
    first, second = await post(to, [NAMELESS, event(1)]), await post(to, [NAMELESS, event(1)])

    assert (first.status_code, second.status_code) == (200, 200)
    assert second.content == first.content
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert len(to.publisher.sent) == len({record.partition for record in to.publisher.sent})


async def test_a_key_may_stand_with_or_without_quotes() -> None:
    to = api()
    first, second = await post(to, [NAMELESS]), await post(to, [NAMELESS], KEY.strip('"'))

    assert second.json()["batch_id"] == first.json()["batch_id"]


async def test_without_a_key_each_request_is_a_batch_of_its_own() -> None:
    to = api()
    answers = [await to.client.post("/analyze", json=[NAMELESS]) for _ in range(2)]

    assert len({answer.json()["batch_id"] for answer in answers}) == 2


@pytest.mark.parametrize(
    ("body", "content_type", "query"),
    [
        ('[{"event_id": "another"}]', "application/json", ""),
        ("[ ]", "application/json", ""),
        ("[]", "application/x-ndjson", ""),
        ("[]", "application/json", "?pack=access"),
    ],
)
async def test_another_request_under_the_same_key_is_refused(
    body: str, content_type: str, query: str
) -> None:
    to = api()
    first = await post(to, [NAMELESS])
    headers = {"Idempotency-Key": KEY, "Content-Type": content_type}
    other = await to.client.post(f"/v1/analyze{query}", content=body, headers=headers)

    assert first.status_code == 200
    assert problem(other) == (422, "idempotency-key-reused")
    assert len(to.publisher.sent) == 1


async def test_a_request_that_is_being_taken_is_a_conflict() -> None:
    may_send = asyncio.Event()

    class Slow(LoopBack):
        async def send(self, records: Sequence[OutRecord]) -> None:
            await may_send.wait()
            await super().send(records)

    to = api_on(Slow(MemoryResults()))
    first = asyncio.create_task(post(to, [NAMELESS]))
    await asyncio.sleep(0.01)
    meanwhile = await post(to, [NAMELESS])
    may_send.set()
    after = await first

    assert problem(meanwhile) == (409, "idempotency-key-in-flight")
    assert meanwhile.headers["retry-after"] == "1"
    assert after.status_code == 200
    assert (await post(to, [NAMELESS])).content == after.content


async def test_a_batch_that_is_not_answered_yet_is_found_again_as_pending() -> None:
    to = api(AT_ONCE, is_held=True)
    first, second = await post(to, [NAMELESS]), await post(to, [NAMELESS])
    await to.publisher.release(to.publisher.sent)
    third = await post(to, [NAMELESS])

    assert [answer.status_code for answer in (first, second, third)] == [202, 202, 200]
    assert second.headers["location"] == first.headers["location"]
    assert third.json()["batch_id"] == first.json()["batch_id"]


@pytest.mark.parametrize("is_written", [False, True])
async def test_after_a_failure_the_same_batch_is_sent_again(is_written: bool) -> None:
    to = api_on(Failing(1, is_written))
    first = await post(to, [NAMELESS])
    second = await post(to, [NAMELESS])

    assert problem(first) == (503, "unavailable")
    assert second.status_code == 200
    assert "idempotent-replayed" not in second.headers
    assert len({record.value for record in to.publisher.sent}) == 1
    assert len({dict(record.headers)["batch"] for record in to.publisher.sent}) == 1


async def test_what_is_no_batch_does_not_use_up_its_key() -> None:
    to = api()
    refused = await post(to, [event(status=1)])
    taken = await post(to, [NAMELESS])

    assert problem(refused) == (422, "invalid-events")
    assert taken.status_code == 200


@pytest.mark.parametrize(
    "key",
    ["", '""', "a" * 256, f'"{"a" * 256}"', '"a', "x y", "a,b", "caf\u00e9", '"a\\b"', '"a";x=1'],
)
async def test_what_cannot_be_a_key_is_refused(key: str) -> None:
    to = api()
    headers = [(b"Idempotency-Key", key.encode("latin-1"))]
    answer = await to.client.post("/analyze", json=[NAMELESS], headers=headers)

    assert problem(answer) == (400, "invalid-idempotency-key")
    assert not key or key not in answer.text
    assert to.publisher.sent == []


@pytest.mark.parametrize("key", ["~", "a" * 255, f'"{"a" * 255}"', '"a \\"b\\\\"', "a/b:c=d+e"])
async def test_what_can_be_a_key_is_taken(key: str) -> None:
    assert (await post(api(), [NAMELESS], key)).status_code == 200


async def test_two_keys_are_none() -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    answer = await api().client.post("/analyze", json=[NAMELESS], headers=headers)

    assert problem(answer) == (400, "invalid-idempotency-key")


class Away(MemoryIdempotency):
    async def claim(self, key: str, fingerprint: str, batch: str) -> Claim:
        raise Unavailable("redis: gone")


class AwayAfterwards(MemoryIdempotency):
    async def settle(self, key: str, batch: str) -> None:
        raise Unavailable("redis: gone")

    async def forget(self, key: str, batch: str) -> None:
        raise Unavailable("redis: gone")


async def test_without_the_keys_nothing_is_taken() -> None:
    to = api_on(LoopBack(MemoryResults()), keys=Away())

    assert problem(await post(to, [NAMELESS])) == (503, "unavailable")
    assert to.publisher.sent == []


async def test_an_answer_does_not_wait_for_its_key_to_be_noted() -> None:
    to = api_on(LoopBack(MemoryResults()), keys=AwayAfterwards())

    assert (await post(to, [NAMELESS])).status_code == 200
    assert problem(await post(to, [], '"another"')) == (422, "invalid-batch")
