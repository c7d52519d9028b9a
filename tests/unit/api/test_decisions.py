"""Asking why an event was answered as it was."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import msgspec
import pytest
from structlog.typing import EventDict

from api.decisions import Explaining
from api.decisions_openapi import EXPLANATION
from models.artifacts import Champion
from models.errors import InvalidArtifact, Unavailable
from models.regime import PolicyFile
from producer.records import Record
from stream_agents.explained import Explanation
from stream_agents.kept import MemoryDecisions
from stream_agents.memory import MemoryRetained
from stream_agents.regimes import Current, MemoryRegimes
from stream_agents.stage import KeptDecision
from tests.unit.api.loopback import Api, api
from tests.unit.stream_agents.pipeline import CHAMPION, EVENTS, PACK, Pipeline, attack, line

IDS = ["web-1", "a/b?c=d", "é {}"]


@pytest.fixture
async def pipeline() -> Pipeline:
    made = Pipeline()
    made.send(line(event_id="allowed"), *(attack(f"203.0.113.{i}", event_id=i) for i in IDS))
    await made.drain()
    return made


def asking(
    pipeline: Pipeline,
    load: Callable[[], Champion] = lambda: CHAMPION,
    regimes: MemoryRegimes | None = None,
) -> Api:
    events = MemoryRetained(pipeline.broker, EVENTS)
    regime = Current(PACK, regimes or MemoryRegimes())
    return api(explaining=Explaining(PACK, pipeline.kept, events, regime, load))


@pytest.mark.parametrize("event_id", IDS)
async def test_a_kept_answer_is_explained(pipeline: Pipeline, event_id: str) -> None:
    answer = await asking(pipeline).client.get(f"/v1/decisions/{quote(event_id, safe='')}")

    told = msgspec.json.decode(answer.content, type=Explanation)
    assert answer.status_code == 200
    assert (told.event_id, told.answer.action, told.answer.origin) == (event_id, "block", "kept")
    assert told.event.fields == msgspec.json.decode(
        attack(f"203.0.113.{event_id}", event_id=event_id)
    )
    assert len(told.features) == len(PACK.features.names)
    assert told.score.contributions
    assert told.notes == ()


@pytest.mark.parametrize("event_id", ["allowed", "nowhere", ""])
async def test_what_is_not_kept_is_a_problem_that_names_the_command(
    pipeline: Pipeline, event_id: str
) -> None:
    answer = await asking(pipeline).client.get(f"/v1/decisions/{event_id}")

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/unknown-decision")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "`centinela explain <event id>`" in answer.json()["detail"]


@pytest.mark.parametrize(("pack", "status"), [("access", 200), ("fraud", 404)])
async def test_the_pack_may_be_named(pipeline: Pipeline, pack: str, status: int) -> None:
    answer = await asking(pipeline).client.get(f"/v1/decisions/web-1?pack={pack}")

    assert answer.status_code == status
    assert answer.json().get("type") == ("/problems/unknown-pack" if status == 404 else None)


async def test_a_policy_that_was_changed_since_is_named(pipeline: Pipeline) -> None:
    regimes = MemoryRegimes()
    await regimes.change_policy(PolicyFile(score={"alert": 0.5}))
    to = asking(pipeline, regimes=regimes)

    told = (await to.client.get("/v1/decisions/web-1")).json()
    assert told["score"]["thresholds"] is None
    assert f"but {PACK.policy.version}+policy.1 is known" in told["notes"][0]


async def test_a_model_that_was_replaced_is_loaded_once_more(pipeline: Pipeline) -> None:
    older = msgspec.structs.replace(CHAMPION.manifest, version="access-older")
    loads = [CHAMPION, Champion(older, CHAMPION.forest, CHAMPION.text)]
    to = asking(pipeline, load=loads.pop)

    notes = [(await to.client.get("/v1/decisions/web-1")).json()["notes"] for _ in range(3)]
    assert "but access-older is loaded" in notes[0][0]
    assert notes[1:] == [[], []]
    assert loads == []


async def test_without_a_champion_the_rest_is_told(
    pipeline: Pipeline, journal: list[EventDict]
) -> None:
    def load() -> Champion:
        raise InvalidArtifact("/secret/model.onnx: cannot be read")

    answer = await asking(pipeline, load=load).client.get("/v1/decisions/web-1")

    assert answer.status_code == 200
    assert answer.json()["rules"][0]["name"] == "path_traversal"
    assert "secret" not in answer.text
    assert "secret" in str(journal)


async def test_a_log_that_is_away_hides_the_event_alone(pipeline: Pipeline) -> None:
    class Away(MemoryRetained):
        def record(self, partition: int, offset: int) -> Record | None:
            raise Unavailable("Kafka: gone")

    regime = Current(PACK, MemoryRegimes())
    events = Away(pipeline.broker, EVENTS)
    to = api(explaining=Explaining(PACK, pipeline.kept, events, regime, lambda: CHAMPION))
    told = (await to.client.get("/v1/decisions/web-1")).json()

    assert told["event"]["fields"] is None
    assert told["event"]["missing"] == "events.access does not answer"
    assert told["answer"]["action"] == "block"


async def test_a_store_that_is_away_is_unavailable(pipeline: Pipeline) -> None:
    class Away(MemoryDecisions):
        async def find(self, event_id: str) -> KeptDecision | None:
            raise Unavailable("redis: gone")

    pipeline.kept = Away()
    answer = await asking(pipeline).client.get("/v1/decisions/web-1")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_the_example_is_what_we_send() -> None:
    decoded = msgspec.convert(EXPLANATION, Explanation)

    assert msgspec.json.decode(msgspec.json.encode(decoded)) == EXPLANATION


async def test_the_description_shows_the_route_with_its_example() -> None:
    described = (await api().client.get("/openapi.json")).json()

    answers = described["paths"]["/v1/decisions/{event_id}"]["get"]["responses"]
    [shown] = answers["200"]["content"].values()
    assert shown["examples"]["blocked"]["value"]["features"] == EXPLANATION["features"]
    schema = described["components"]["schemas"]["Explanation"]
    assert "$ref" in schema["properties"]["answer"]
    assert schema["properties"]["notes"]["description"].startswith("What is not as it was")
