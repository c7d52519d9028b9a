"""The API over the pipeline in its own process, which answers as that on Kafka and Redis does."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.embedded import Serving, build, warm
from api.settings import ApiSettings
from models.artifacts import champion_of
from models.catalog import pack_named
from models.errors import Unavailable
from producer.records import decisions_topic
from scripts.stack.ports import free_ports, is_free
from stream_agents.embedded import EmbeddedPipeline

PACK = pack_named("access")
CHAMPION = champion_of("access")
CLIENT, OTHER = "203.0.113.7", "203.0.113.8"
WITHIN_S = 20.0


def request(number: int, client: str = CLIENT, path: str = "/") -> dict[str, Any]:
    return {
        "event_id": f"web-{number}",
        "occurred_at": f"2025-03-03T12:00:{number:02}Z",
        "client_ip": client,
        "method": "GET",
        "path": path,
        "status": 200,
    }


ATTACK = request(9, path="/../../etc/passwd")


def pipeline() -> EmbeddedPipeline:
    return EmbeddedPipeline(PACK, CHAMPION, partitions=4)


@asynccontextmanager
async def asking() -> AsyncIterator[httpx.AsyncClient]:
    embedded = pipeline()
    transport = httpx.ASGITransport(build(ApiSettings(wait_s=WITHIN_S), embedded))
    async with (
        embedded.running(),
        httpx.AsyncClient(transport=transport, base_url="http://api") as client,
    ):
        yield client


async def actions(client: httpx.AsyncClient, *events: dict[str, Any]) -> list[str | None]:
    answer = await client.post("/analyze", json={"events": events})
    assert answer.status_code == 200
    return [result["action"] for result in answer.json()["results"]]


async def test_a_batch_is_answered_event_by_event() -> None:
    async with asking() as client:
        assert await actions(client, request(1), ATTACK, request(2, OTHER)) == [
            "allow",
            "block",
            "allow",
        ]
        assert (await client.get("/ready")).status_code == 200


async def test_a_repeat_is_told_from_the_first() -> None:
    async with asking() as client:
        await actions(client, request(1))
        again = await client.post("/analyze", json={"events": [request(1)]})

    assert again.json()["results"][0]["outcome"] == "duplicate"


async def test_an_answer_is_explained_with_its_event() -> None:
    async with asking() as client:
        await actions(client, request(1), ATTACK)
        told = (await client.get("/v1/decisions/web-9")).json()
        unknown = await client.get("/v1/decisions/web-1")

    assert told["answer"]["action"] == "block"
    assert told["event"]["fields"]["path"] == "/../../etc/passwd"
    assert [rule["name"] for rule in told["rules"]][0] == "path_traversal"
    assert unknown.status_code == 404


async def test_features_are_those_that_were_folded() -> None:
    async with asking() as client:
        await actions(client, request(1), request(2), request(3, OTHER))
        # The chunk is committed once nothing more has queued.
        await asyncio.sleep(0.05)
        told = await client.get(f"/v1/features/access/{CLIENT}?at=latest")

    assert told.json()["features"]["client_requests_count_1m"] == 2.0


@pytest.mark.parametrize(
    ("listed", "expected"), [("deny", ["block", "block"]), ("allow", ["allow", "allow"])]
)
async def test_a_changed_list_takes_effect(listed: str, expected: list[str]) -> None:
    async with asking() as client:
        added = await client.post(f"/v1/lists/access/{listed}", json={"entry": CLIENT})
        # The agents look at the lists once a second.
        await asyncio.sleep(1.2)

        assert added.status_code == 201
        assert await actions(client, request(1), ATTACK) == expected


async def test_metrics_tell_of_the_api_and_of_both_agents_each_family_once() -> None:
    async with asking() as client:
        await actions(client, request(1), ATTACK)
        text = (await client.get("/metrics")).text

    families = list(text_string_to_metric_families(text))
    names = [family.name for family in families]
    ended = {
        (sample.labels["stage"], sample.labels["action"]): sample.value
        for family in families
        if family.name == "centinela_events"
        for sample in family.samples
        if sample.value and sample.name == "centinela_events_total"
    }
    assert len(names) == len(set(names))
    assert "centinela_api_events" in names
    assert ended == {("ingestion", ""): 2, ("decision", "allow"): 1, ("decision", "block"): 1}


def test_it_is_served_by_a_thread_until_the_block_is_left() -> None:
    embedded, [port] = pipeline(), free_ports(1)
    warm(embedded)

    with Serving(ApiSettings(port=port), embedded) as serving:
        serving.check()
        told = posted(port, ATTACK)

    assert [result["action"] for result in told["results"]] == ["block"]
    assert is_free(port)
    with pytest.raises(Unavailable, match="the pipeline has ended"):
        serving.check()


def test_an_agent_that_fails_ends_the_serving() -> None:
    embedded, [port] = pipeline(), free_ports(1)

    with Serving(ApiSettings(port=port, wait_s=0.2), embedded) as serving:
        del embedded.broker.topics[decisions_topic(PACK.name)].partitions[:]
        told = posted(port, ATTACK)
        with pytest.raises(Unavailable, match="IndexError"):
            checked_for(WITHIN_S, serving)

    assert told["status"] == "pending"
    assert is_free(port)


def checked_for(seconds: float, serving: Serving) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        serving.check()
        time.sleep(0.02)


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        settings = ApiSettings(port=held.getsockname()[1])

        with pytest.raises(OSError, match="Address already in use"):
            Serving(settings, pipeline())


def posted(port: int, event: dict[str, Any]) -> Any:
    body = json.dumps({"events": [event]}).encode()
    url = f"http://127.0.0.1:{port}/analyze"
    asked = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=WITHIN_S) as answer:
        return json.load(answer)
