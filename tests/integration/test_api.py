"""The API as it runs, on a real Kafka and a real Redis; an echo stands in for the agents."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from shutil import copytree
from uuid import uuid4

import httpx
import numpy as np
import pytest
import uvicorn
from aiokafka import (  # type: ignore[import-untyped]  # it ships no types
    AIOKafkaConsumer,
    TopicPartition,
)
from redis.asyncio import Redis

from api.settings import ApiSettings
from api.wiring import build
from feature_store.kernel import WindowKernel
from models.artifacts import MODEL
from models.catalog import pack_named
from models.manifests import CHAMPIONS
from models.packs.access.events import AccessEvent
from producer.partitioning import partition_of
from producer.settings import Connections
from producer.topics import ensure_topics
from stream_agents.results import RedisResults
from tests.stacks import Stack
from tests.unit.api.loopback import PARTITIONS, answer_to, event

TOPIC = "events.access"
LONG = ApiSettings(port=0, CENTINELA_WAIT_S=30)
SHORT = ApiSettings(port=0, CENTINELA_WAIT_S=0)


@pytest.fixture(scope="module")
def topics(stack: Stack) -> Stack:
    ensure_topics(stack.kafka, "access", PARTITIONS)
    return stack


@asynccontextmanager
async def serving(stack: Stack, settings: ApiSettings) -> AsyncIterator[httpx.AsyncClient]:
    """The API behind its real server, on a free port."""
    connections = Connections(kafka=stack.kafka, redis=stack.redis, partitions=PARTITIONS)
    config = uvicorn.Config(
        build(settings, connections), port=0, http="httptools", ws="none", log_config=None
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=40) as client:
            yield client
    finally:
        server.should_exit = True
        await running


@asynccontextmanager
async def echoing(stack: Stack, *, is_held: bool = False) -> AsyncIterator[asyncio.Event]:
    """Answers every record that is published from now on, once the event is set."""
    may_answer = asyncio.Event()
    if not is_held:
        may_answer.set()
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka)
    await consumer.start()
    places = [TopicPartition(TOPIC, partition) for partition in range(PARTITIONS)]
    consumer.assign(places)
    for place in places:
        await consumer.seek_to_end(place)
        await consumer.position(place)
    results = RedisResults(stack.redis)
    echo = asyncio.create_task(answering(consumer, results, may_answer))
    try:
        yield may_answer
    finally:
        echo.cancel()
        await asyncio.gather(echo, return_exceptions=True)
        await consumer.stop()
        await results.aclose()


async def answering(
    consumer: AIOKafkaConsumer, results: RedisResults, may_answer: asyncio.Event
) -> None:
    await may_answer.wait()
    while True:
        taken = await consumer.getmany(timeout_ms=1000)
        records = [record for of_partition in taken.values() for record in of_partition]
        await results.write([answer_to(record.value, dict(record.headers)) for record in records])


async def test_a_batch_over_all_partitions_comes_back_in_its_order(topics: Stack) -> None:
    events = [event(i, path="/.env" if i % 7 == 0 else "/") for i in range(100)]
    async with echoing(topics), serving(topics, LONG) as client:
        answer = await client.post("/analyze", json=events)

    body = answer.json()
    assert answer.status_code == 200
    assert [result["event_id"] for result in body["results"]] == [f"event-{i}" for i in range(100)]
    assert (body["summary"]["block"], body["summary"]["allow"]) == (15, 85)


async def test_many_callers_at_once_each_get_their_own_answers(topics: Stack) -> None:
    async with echoing(topics), serving(topics, LONG) as client:
        batches = [[event(100 * batch + i) for i in range(8)] for batch in range(60)]
        answers = await asyncio.gather(*(client.post("/analyze", json=each) for each in batches))

    for batch, answer in zip(batches, answers, strict=True):
        ids = [result["event_id"] for result in answer.json()["results"]]
        assert ids == [each["event_id"] for each in batch]


async def test_an_answer_that_comes_late_is_found_by_polling_any_process(topics: Stack) -> None:
    async with (
        serving(topics, SHORT) as first,
        serving(topics, SHORT) as second,
        echoing(topics, is_held=True) as may_answer,
    ):
        posted = await first.post("/analyze", json=[event(i) for i in range(8)])
        location = posted.headers["location"]
        pending = await second.get(location)
        may_answer.set()
        answer = await asked_until_complete(second, location)

    assert pending.json()["status"] == "pending"
    assert posted.status_code == 202
    assert answer.status_code == 200
    assert answer.json()["summary"]["decided"] == 8


async def asked_until_complete(
    client: httpx.AsyncClient,
    path: str,
    key: str = "",
    events: list[dict[str, object]] | None = None,
) -> httpx.Response:
    """The answer once it is 200; with events, to a POST under a key."""
    deadline = time.monotonic() + 30
    while True:
        if events is None:
            answer = await client.get(path)
        else:
            answer = await client.post(path, json=events, headers={"Idempotency-Key": key})
        if answer.status_code == 200 or time.monotonic() > deadline:
            return answer
        await asyncio.sleep(0.02)


async def test_a_key_stands_for_one_batch_in_every_process(topics: Stack) -> None:
    headers = {"Idempotency-Key": uuid4().hex}
    async with (
        serving(topics, LONG) as first,
        serving(topics, LONG) as second,
        echoing(topics),
    ):
        answers = [
            await client.post(
                "/analyze", json=[event(i, event_id="") for i in range(8)], headers=headers
            )
            for client in (first, second)
        ]
        other = await second.post("/analyze", json=[event()], headers=headers)

    assert answers[1].content == answers[0].content
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert other.status_code == 422


async def test_a_caller_who_leaves_finds_the_batch_again(topics: Stack) -> None:
    events = [event(i, event_id="") for i in range(8)]
    key = uuid4().hex
    async with serving(topics, LONG) as client, echoing(topics, is_held=True) as may_answer:
        async with leaving_after(client, request(client, key, events)):
            await asked_until_waiting(client)
        may_answer.set()
        answer = await asked_until_complete(client, "/analyze", key, events)

    assert answer.headers["idempotent-replayed"] == "true"
    assert answer.json()["summary"]["decided"] == 8


async def test_half_a_body_is_no_batch(topics: Stack) -> None:
    events = [event(i) for i in range(8)]
    key = uuid4().hex
    async with serving(topics, LONG) as client, echoing(topics):
        whole = request(client, key, events)
        async with leaving_after(client, whole[: len(whole) - 10]):
            pass
        answer = await asked_until_complete(client, "/analyze", key, events)

    assert answer.status_code == 200
    assert "idempotent-replayed" not in answer.headers


def request(client: httpx.AsyncClient, key: str, events: list[dict[str, object]]) -> bytes:
    """A POST as it stands on the wire."""
    asked = client.build_request("POST", "/analyze", json=events, headers={"Idempotency-Key": key})
    lines = [b"POST /analyze HTTP/1.1", *(b"%s: %s" % each for each in asked.headers.raw)]
    return b"\r\n".join([*lines, b"", asked.content])


@asynccontextmanager
async def leaving_after(client: httpx.AsyncClient, sent: bytes) -> AsyncIterator[None]:
    """Sends some bytes, and closes at the end of the block without having read an answer."""
    _, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    writer.write(sent)
    await writer.drain()
    yield
    writer.close()
    await writer.wait_closed()


async def asked_until_waiting(client: httpx.AsyncClient) -> None:
    """Returns once a request waits for its answers."""
    deadline = time.monotonic() + 30
    while "centinela_api_pending_waits 1.0" not in (await client.get("/metrics")).text:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_the_process_is_ready_with_kafka_redis_and_a_champion(topics: Stack) -> None:
    async with serving(topics, SHORT) as client:
        answer = await asked_until_complete(client, "/ready")

    parts = {"kafka": "ok", "redis": "ok", "champion": "ok"}
    assert answer.json() == {"status": "ok", "parts": parts}


async def test_features_are_read_where_the_worker_keeps_them(topics: Stack) -> None:
    client_ip = "203.0.113.77"
    pack = pack_named("access")
    kernel = WindowKernel(pack.features)
    first = AccessEvent("2026-11-21T03:00:00Z", client_ip, "GET", "/", 200)
    [state] = kernel.fold([b""], np.zeros(1, np.int32), kernel.inputs(pack.columns([first]))).states
    partition = partition_of(client_ip, PARTITIONS)
    async with Redis.from_url(topics.redis) as redis:
        await redis.set(f"feature:{{access.{partition}}}:client:{client_ip}", state)
    async with serving(topics, SHORT) as client:
        answer = await client.get(f"/v1/features/access/{client_ip}?at=latest")

    assert answer.json()["at"] == "2026-11-21T03:00:00.000Z"
    assert answer.json()["features"]["client_requests_count_1m"] == 1


@pytest.fixture
def away(unused_tcp_port_factory: Callable[[], int]) -> Stack:
    kafka, redis = unused_tcp_port_factory(), unused_tcp_port_factory()
    return Stack("none", f"127.0.0.1:{kafka}", f"redis://127.0.0.1:{redis}/0")


async def test_without_kafka_and_redis_the_process_runs_and_says_so(away: Stack) -> None:
    async with serving(away, ApiSettings(port=0, publish_s=0.2)) as client:
        assert (await client.get("/health")).status_code == 200
        ready = await client.get("/ready")
        posted = await client.post("/analyze", json=[event()])

    assert ready.status_code == 503
    assert ready.json()["parts"] == {
        "kafka": "unavailable",
        "redis": "unavailable",
        "champion": "ok",
    }
    assert (posted.status_code, posted.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize("spoil", [Path.unlink, lambda model: model.write_bytes(b"another")])
async def test_a_champion_that_cannot_be_read_is_named(
    topics: Stack, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    champion = tmp_path / "champion"
    copytree(CHAMPIONS / "access", champion)
    settings = ApiSettings(port=0, CENTINELA_CHAMPION=champion)
    async with serving(topics, settings) as client:
        before = await asked_until_complete(client, "/ready")
        spoil(champion / MODEL)
        after = await client.get("/ready")

    assert before.json()["parts"]["champion"] == "ok"
    assert after.status_code == 503
    assert after.json()["parts"] == {"kafka": "ok", "redis": "ok", "champion": "unavailable"}
