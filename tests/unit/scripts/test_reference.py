"""The reference that is made from the code: up to date, and true of what the pipeline writes."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from producer.dead_letters import letters_of, note
from producer.records import DEAD_LETTER, Headers, Record
from scripts import asyncapi
from scripts.reference import FOLDER, made
from stream_agents.outcomes import CARRIED
from tests.unit.stream_agents.pipeline import (
    ACTIONS,
    DECISIONS,
    EVENTS,
    LONGEST,
    Pipeline,
    attack,
    line,
)

DOCUMENT = asyncapi.document()
BATCH = tuple((name, b"1") for name in ("batch", "part", "reply", "trace"))


@pytest.mark.parametrize("name", made())
def test_the_reference_is_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text() == made()[name], "make it again: python -m scripts.reference"


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    """One record with every outcome."""
    pipeline = Pipeline()
    pipeline.send(
        line(event_id="a", user_agent="é"),
        attack(event_id="b"),
        line(event_id="a"),
        line(event_id="c", ago=2 * LONGEST),
        b'{"status": 7}',
        line(event_id="d", status=7),
        headers=BATCH,
    )
    pipeline.run()
    return pipeline


def message(topic: str, named: str | None = None) -> Any:
    [channel] = [each for each in DOCUMENT["channels"].values() if each["address"] == topic]
    name = named or next(iter(channel["messages"]))
    return DOCUMENT["components"]["messages"][name]


def complaints(schema: Any, value: Any) -> list[str]:
    whole = {**schema, "components": DOCUMENT["components"]}
    return [str(error) for error in jsonschema_rs.validator_for(whole).iter_errors(value)]


def records(pipeline: Pipeline, topic: str) -> list[Record]:
    return [r for log in pipeline.broker.topics[topic].partitions for r in log]


@pytest.mark.parametrize("topic", [DECISIONS, ACTIONS])
def test_every_line_that_is_written_is_as_described(pipeline: Pipeline, topic: str) -> None:
    lines = [json.loads(text) for r in records(pipeline, topic) for text in r.value.split(b"\n")]

    assert {each["outcome"] for each in lines} == {"decided", "duplicate", "late", "dead"}
    assert [complaints(message(topic)["payload"], each) for each in lines] == [[]] * len(lines)


@pytest.mark.parametrize(
    ("fields", "is_described"),
    [({}, True), ({"status": 99}, False), ({"color": "red"}, False), ({"client_ip": ""}, False)],
)
def test_an_event_is_described_as_it_is_judged(fields: dict[str, Any], is_described: bool) -> None:
    payload = message(EVENTS)["payload"]

    assert (complaints(payload, json.loads(line(**fields))) == []) == is_described


@pytest.mark.parametrize("topic", [EVENTS, DECISIONS, ACTIONS, DEAD_LETTER])
def test_every_header_that_is_written_is_described(pipeline: Pipeline, topic: str) -> None:
    written = {name for r in records(pipeline, topic) for name, _ in r.headers}

    assert written == set(message(topic)["headers"]["properties"])


def test_the_note_about_a_letter_is_described(pipeline: Pipeline) -> None:
    letter = letters_of(records(pipeline, DEAD_LETTER))[0]
    written: Headers = note(letter, "events.access 0-1").headers

    assert dict(written).keys() == message(DEAD_LETTER, "note")["headers"]["properties"].keys()


def test_what_is_handed_on_is_described() -> None:
    assert asyncapi.CARRIED.keys() == CARRIED


def test_every_topic_stands_there_once() -> None:
    addresses = [channel["address"] for channel in DOCUMENT["channels"].values()]

    assert sorted(addresses) == sorted([EVENTS, DECISIONS, ACTIONS, DEAD_LETTER])
    for operation in DOCUMENT["operations"].values():
        assert operation["channel"]["$ref"].removeprefix("#/channels/") in DOCUMENT["channels"]
