"""Finding an event again through what was recorded of its answer."""

from __future__ import annotations

import asyncio

import pytest

from models.errors import Unavailable
from producer.records import Record
from stream_agents.explained import Explanation
from stream_agents.explaining import explain_kept
from stream_agents.explanation import Judges
from stream_agents.memory import MemoryRetained
from stream_agents.recalled import Recalled
from stream_agents.recording import Row
from stream_agents.stage import KeptDecision
from tests.unit.stream_agents.pipeline import (
    CHAMPION,
    DECISIONS,
    EVENTS,
    PACK,
    Pipeline,
    attack,
    line,
)
from tests.unit.stream_agents.test_recording import Recorded

JUDGES = Judges(PACK, CHAMPION, PACK.policy)


class Rows:
    """Of a recorder in memory, by event id; of several the first."""

    def __init__(self, recorded: Recorded) -> None:
        self._rows = recorded.rows

    async def find(self, event_id: str) -> Row | None:
        return next((row for row in self._rows if row.event_id == event_id), None)


@pytest.fixture
def pipeline() -> Pipeline:
    made = Pipeline()
    made.send(line(event_id="other"))
    made.send(b"not json", b"", attack(event_id="blocked"), line("203.0.113.9", event_id="allowed"))
    asyncio.run(made.detect())
    # The stage before has emitted it again after a crash: places differ from topic to topic.
    first = made.broker.topics[DECISIONS].partitions[0][0]
    made.broker.produce(DECISIONS, 0, first.value, first.headers)
    made.send(attack(event_id="last"))
    made.run()
    return made


def recalled(pipeline: Pipeline, event_id: str) -> KeptDecision | None:
    recorded = Recorded(pipeline)
    recorded.run()
    decisions = MemoryRetained(pipeline.broker, DECISIONS)
    return asyncio.run(Recalled(Rows(recorded), decisions).find(event_id))


def explained(pipeline: Pipeline, decision: KeptDecision | None) -> Explanation:
    assert decision is not None
    return explain_kept(decision, MemoryRetained(pipeline.broker, EVENTS), JUDGES)


@pytest.mark.parametrize("event_id", ["blocked", "last"])
def test_what_was_recorded_is_explained_as_what_is_kept(pipeline: Pipeline, event_id: str) -> None:
    kept = asyncio.run(pipeline.kept.find(event_id))

    from_record = explained(pipeline, recalled(pipeline, event_id))
    from_kept = explained(pipeline, kept)

    assert from_record.event == from_kept.event
    assert from_record.features == from_kept.features
    assert (from_record.rules, from_record.score) == (from_kept.rules, from_kept.score)


def test_what_was_allowed_is_explained_with_its_event(pipeline: Pipeline) -> None:
    found = explained(pipeline, recalled(pipeline, "allowed"))

    assert found.answer.action == "allow"
    assert found.event.place == "0-1-2"
    assert found.score.value is not None


def test_what_was_not_recorded_is_not_found(pipeline: Pipeline) -> None:
    assert recalled(pipeline, "nobody") is None


@pytest.mark.parametrize("gone", ["topic", "record", "broker"])
def test_without_its_decision_the_answer_alone_is_told(pipeline: Pipeline, gone: str) -> None:
    recorded = Recorded(pipeline)
    recorded.run()
    decisions = MemoryRetained(pipeline.broker, DECISIONS)
    if gone == "topic":
        pipeline.broker.create(DECISIONS, 1)
    elif gone == "record":
        pipeline.broker.delete_before(DECISIONS, 0, 3)
    else:
        decisions = Away(pipeline.broker, DECISIONS)

    found = asyncio.run(Recalled(Rows(recorded), decisions).find("blocked"))

    told = explained(pipeline, found)
    assert (told.answer.action, told.event.fields) == ("block", None)
    assert told.event.missing == f"its place in {EVENTS} is not known"


class Away(MemoryRetained):
    def record(self, partition: int, offset: int) -> Record | None:
        raise Unavailable("kafka: gone")
