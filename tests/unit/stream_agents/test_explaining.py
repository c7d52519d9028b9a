"""Explanations of what went through the pipeline: of what was kept, and from the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from models.contracts import ActionTaken
from producer.records import Record
from stream_agents.explained import Explanation
from stream_agents.explaining import explain_kept
from stream_agents.explanation import Judges
from stream_agents.memory import MemoryRetained
from stream_agents.searching import Logs, explain_logged
from tests.unit.stream_agents.pipeline import (
    ACTIONS,
    CHAMPION,
    EVENTS,
    LONGEST,
    PACK,
    Pipeline,
    attack,
    line,
)

A, B = "203.0.113.1", "203.0.113.2"
JUDGES = Judges(PACK, CHAMPION, PACK.policy)


def logs(pipeline: Pipeline, tell: Callable[[Record], None] = lambda _: None) -> Logs:
    events = MemoryRetained(pipeline.broker, EVENTS)
    return Logs(events, MemoryRetained(pipeline.broker, ACTIONS), 0, 65_536, tell)


def logged(pipeline: Pipeline, event_id: str) -> Explanation:
    found = explain_logged(event_id, logs(pipeline), JUDGES)
    assert found is not None
    return found


def kept(pipeline: Pipeline, event_id: str) -> Explanation:
    decision = asyncio.run(pipeline.kept.find(event_id))
    assert decision is not None
    return explain_kept(decision, MemoryRetained(pipeline.broker, EVENTS), JUDGES)


def taken(pipeline: Pipeline, event_id: str) -> ActionTaken:
    [found] = [each for each in pipeline.outcomes() if each["event_id"] == event_id]
    return msgspec.convert(found, ActionTaken)


@pytest.fixture
def pipeline() -> Pipeline:
    made = Pipeline()
    made.send(line(B), line(A, event_id="first"))
    made.send(line(A, event_id="first"), line(A, event_id="allowed"), b"not json")
    made.send(attack(A, event_id="blocked"), line(A, event_id="after"))
    made.run()
    return made


def test_what_was_kept_is_told_with_its_event(pipeline: Pipeline) -> None:
    found = kept(pipeline, "blocked")

    assert found.answer.origin == "kept"
    assert found.event.place == "0-2-0"
    assert found.event.fields == msgspec.json.decode(attack(A, event_id="blocked"))
    assert found.score.value == taken(pipeline, "blocked").score
    assert found.notes == ()


def test_from_the_log_it_is_told_alike(pipeline: Pipeline) -> None:
    from_store, from_log = kept(pipeline, "blocked"), logged(pipeline, "blocked")

    assert from_log.answer.origin == "actions"
    assert msgspec.structs.replace(from_log, answer=from_store.answer) == from_store


def test_an_allowed_event_is_derived_again(pipeline: Pipeline) -> None:
    found = logged(pipeline, "allowed")

    assert (found.answer.origin, found.answer.action) == ("actions", "allow")
    assert found.derived_from == 2
    assert found.features[0].value == 2.0
    assert found.score.value == taken(pipeline, "allowed").score
    assert found.notes == ()


def test_an_answer_that_carries_no_features_is_given_those_of_the_log(pipeline: Pipeline) -> None:
    held, again = kept(pipeline, "after"), logged(pipeline, "after")

    assert held.notes == ("the answer carries no features",)
    assert [reason.code for reason in again.lists] == ["block_in_force"]
    assert again.features[0].value == 4.0
    assert again.notes == ()


@pytest.mark.parametrize(
    ("event_id", "outcome"),
    [("0-1-2", "dead"), ("late", "late"), ("0-3-1", "dead"), ("wrong", "dead")],
)
def test_what_was_not_decided_is_told_too(pipeline: Pipeline, event_id: str, outcome: str) -> None:
    unreadable = b'{"event_id":"wrong","status":"teapot"}'
    pipeline.send(line(A, 2 * LONGEST, event_id="late"), unreadable)
    pipeline.run()
    found = logged(pipeline, event_id)

    assert found.answer.outcome == outcome
    assert found.answer.error
    assert found.features == ()


def test_an_event_that_is_nowhere_is_none(pipeline: Pipeline) -> None:
    read: list[Record] = []

    assert explain_logged("nowhere", logs(pipeline, read.append), JUDGES) is None
    assert len(read) == 3


def test_what_was_not_answered_yet_is_told_as_it_would_be(pipeline: Pipeline) -> None:
    pipeline.send(line(B, event_id="new"), attack(B, event_id="bad"), line(B, event_id="new"))
    new, bad = logged(pipeline, "new"), logged(pipeline, "bad")
    pipeline.run()

    for found in (new, bad):
        answer = taken_first(pipeline, found.event_id)
        assert (found.answer.origin, found.answer.action) == ("now", answer.action)
        assert (found.score.value, found.answer.ttl_s) == (answer.score, answer.ttl_s)
        assert tuple(rule.name for rule in found.rules) == answer.rules
        assert found.notes == (
            "no answer was found on actions.access: this is what it would be now",
        )


def taken_first(pipeline: Pipeline, event_id: str) -> ActionTaken:
    first = next(each for each in pipeline.outcomes() if each["event_id"] == event_id)
    return msgspec.convert(first, ActionTaken)


@pytest.mark.parametrize(
    ("sent", "outcome"),
    [
        (line(A, 2 * LONGEST, event_id="new"), "late"),
        (line(A, -2 * LONGEST, event_id="new"), "dead"),
    ],
)
def test_what_was_not_answered_yet_may_come_to_nothing(
    pipeline: Pipeline, sent: bytes, outcome: str
) -> None:
    pipeline.send(sent)
    found = logged(pipeline, "new")
    pipeline.run()
    answer = taken(pipeline, "new")

    assert (found.answer.outcome, found.answer.error) == (outcome, answer.error)


def test_an_event_that_retention_has_removed_is_told_without(pipeline: Pipeline) -> None:
    pipeline.broker.delete_before(EVENTS, 0, 3)
    found = kept(pipeline, "blocked")

    assert found.event.fields is None
    assert found.event.missing == "retention has removed it from events.access"
    assert found.score.contributions == ()


def test_a_topic_that_was_made_again_is_not_mistaken_for_the_old_one(pipeline: Pipeline) -> None:
    pipeline.broker.create(EVENTS, 1)
    found = kept(pipeline, "blocked")

    assert found.event.missing == "events.access has been deleted and made again since"


def test_where_the_log_begins_too_late_the_features_are_doubted(pipeline: Pipeline) -> None:
    pipeline.broker.delete_before(EVENTS, 0, 1)
    found = logged(pipeline, "allowed")

    assert "events.access does not reach back as far as the features do" in found.notes
    assert found.derived_from == 2  # the second copy of `first` is taken for the first
