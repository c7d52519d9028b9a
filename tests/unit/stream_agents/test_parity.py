"""Answers derived again, by the quick way and by the exact one."""

from __future__ import annotations

import dataclasses
import random
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from feature_store.fence import Gap
from producer.records import DEAD_LETTER
from stream_agents.audited import Compared
from stream_agents.memory import MemoryRetained
from stream_agents.parity import Judge, PassedOver, compare, derived_from_own, drawn, told_apart
from stream_agents.trails import Topics
from tests.unit.stream_agents.pipeline import (
    ACTIONS,
    CHAMPION,
    DECISIONS,
    EVENTS,
    PACK,
    Pipeline,
    attack,
    line,
)
from tests.unit.stream_agents.test_rederivation import stream


def topics_of(pipeline: Pipeline) -> Topics:
    names = (EVENTS, DECISIONS, ACTIONS, DEAD_LETTER)
    return Topics(*(MemoryRetained(pipeline.broker, name) for name in names))


def judge(**others: Any) -> Judge:
    return Judge(PACK, CHAMPION, **{"seen_ids": 65_536, "gaps": {}, **others})


def compared(pipeline: Pipeline, samples: int = 20, **others: Any) -> Compared:
    return compare(topics_of(pipeline), judge(**others), samples, random.Random(7))


def changed(pipeline: Pipeline, **fields: object) -> None:
    """Every answer says something else."""
    logs = pipeline.broker.topics[ACTIONS].partitions
    for partition, log in enumerate(logs):
        logs[partition] = [
            dataclasses.replace(record, value=other(record.value, fields)) for record in log
        ]


def other(value: bytes, fields: dict[str, object]) -> bytes:
    lines = [msgspec.json.decode(each) for each in value.split(b"\n")]
    return b"\n".join(msgspec.json.encode(each | fields) for each in lines)


@pytest.mark.parametrize("seed", range(2))
def test_what_was_answered_comes_out_again(seed: int) -> None:
    found = compared(stream(seed), 60)

    assert found.checked == 60
    assert found.differing == ()


def test_the_quick_way_alone_is_right_as_a_rule() -> None:
    pipeline, chance = stream(0), random.Random(3)
    topics, held = topics_of(pipeline), judge()
    spans = topics.actions.spans()
    right = tried = 0
    while tried < 40:
        try:
            sample = drawn(topics, held, spans, chance)
        except PassedOver:
            continue
        tried += 1
        quickly = derived_from_own(topics.events, held, sample)
        right += quickly is not None and not told_apart(sample.taken, quickly)

    assert right >= 36


def test_allowed_answers_are_compared_by_their_score() -> None:
    pipeline = Pipeline()
    pipeline.send(*(line(event_id=f"e{number}") for number in range(9)))
    pipeline.run()
    right = compared(pipeline)
    changed(pipeline, score=0.123456)
    wrong = compared(pipeline)

    assert (right.checked, right.differing) == (20, ())
    assert len(wrong.differing) == 20
    assert wrong.differing[0].what.endswith("and was 0.123456")


def test_a_feature_of_another_value_is_found() -> None:
    pipeline = Pipeline()
    pipeline.send(*(attack(event_id=f"e{number}") for number in range(3)))
    pipeline.run()
    changed(pipeline, features={"client_requests_count_1m": 7.0})

    [found] = compared(pipeline, 1).differing
    assert "such as client_requests_count_1m" in found.what or "features differ" in found.what
    assert found.place.startswith("0-0-")


def test_rules_of_another_name_are_found() -> None:
    pipeline = Pipeline()
    pipeline.send(attack(event_id="e"))
    pipeline.run()
    changed(pipeline, rules=["of_before"])

    [found] = compared(pipeline, 1).differing
    assert found.what == "the rules are path_traversal, payload_injection, and were of_before"


def test_a_repeat_of_another_clients_id_is_derived_exactly() -> None:
    pipeline = Pipeline()
    pipeline.send(attack("198.51.100.1", event_id="same"))
    pipeline.send(attack("198.51.100.2", event_id="same"), attack("198.51.100.2", event_id="b"))
    pipeline.run()
    found = compared(pipeline, 30)

    assert found.checked == 30
    assert found.differing == ()


@pytest.mark.parametrize(
    ("fields", "why"),
    [({"degraded": "why"}, "degraded"), ({"model": "access-0"}, "of another model")],
)
def test_what_cannot_be_compared_is_passed_over(fields: dict[str, object], why: str) -> None:
    pipeline = Pipeline()
    pipeline.send(line(event_id="e"))
    pipeline.run()
    changed(pipeline, **fields)
    found = compared(pipeline, 1)

    assert (found.checked, list(found.passed_over)) == (0, [why])


def test_what_came_soon_after_a_gap_is_passed_over() -> None:
    pipeline = Pipeline()
    pipeline.send(line(event_id="e"))
    pipeline.run()
    at_ms = int((pipeline.now - timedelta(days=2)).timestamp() * 1000)
    found = compared(pipeline, 1, gaps={0: Gap("lost", 0, at_ms, 1)})

    assert (found.checked, list(found.passed_over)) == (0, ["soon after a gap in the log"])


def test_a_sample_that_wants_too_much_of_the_log_is_passed_over() -> None:
    pipeline = Pipeline()
    pipeline.send(*(line(event_id=f"e{number}") for number in range(9)))
    pipeline.run()
    found = compared(pipeline, 1, most_bytes=100)

    assert (found.checked, list(found.passed_over)) == (0, ["too long a log"])


def test_of_an_empty_log_there_is_nothing_to_compare() -> None:
    assert compared(Pipeline()) == Compared(0, (), {})
