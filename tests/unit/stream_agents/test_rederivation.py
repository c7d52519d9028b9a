"""Features derived again from the log, against those that the pipeline gave with its answers."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from models.contracts import ActionTaken
from producer.records import Record
from stream_agents.memory import MemoryRetained
from stream_agents.rederivation import Derived, rederive
from stream_agents.sighting import Sighting, Tell
from stream_agents.stage import Place, lines_of
from tests.unit.stream_agents.pipeline import CHAMPION, EVENTS, PACK, Pipeline, attack

SEEN_IDS = 65_536
CLIENTS = [f"203.0.113.{number}" for number in range(4)]
PACES = (timedelta(), timedelta(seconds=1), timedelta(minutes=7), timedelta(hours=5))
"""Between records: bursts within one second, up to days in all."""


def sent(chance: random.Random, at: datetime) -> bytes:
    """An attack, so that its features are kept: on time, late or early, some without an id."""
    ago = chance.choice([0, 0, 0, 0, 1, 60, 4_000, 90_000, -200])
    occurred_at = at - timedelta(seconds=ago, microseconds=chance.randrange(1_000_000))
    named: dict[str, Any] = {"event_id": f"e{chance.random()}"} if chance.random() < 0.9 else {}
    size = chance.randrange(9_999)
    return attack(chance.choice(CLIENTS), occurred_at=occurred_at.isoformat(), bytes=size, **named)


def stream(seed: int, records: int = 120) -> Pipeline:
    """Days of attacks by a few clients on two partitions, some sent again, through the pipeline."""
    chance, pipeline = random.Random(seed), Pipeline(partitions=2, chunks=[5])
    earlier: list[bytes] = [b"not json"]
    for _ in range(records):
        pipeline.now += chance.choice(PACES)
        lines = [sent(chance, pipeline.now) for _ in range(chance.randrange(1, 9))]
        pipeline.send(*lines, chance.choice(earlier), partition=chance.randrange(2))
        earlier += lines
    pipeline.run()
    return pipeline


def sighted(pipeline: Pipeline, place: Place | None) -> Sighting:
    assert place is not None
    record = pipeline.broker.topics[EVENTS].partitions[place.partition][place.offset]
    return Sighting(place.text, place, lines_of(record.value)[place.line], record.at_ms)


def derived(pipeline: Pipeline, place: Place | None, tell: Tell = lambda _: None) -> Derived:
    events = MemoryRetained(pipeline.broker, EVENTS)
    return rederive(PACK, CHAMPION, events, sighted(pipeline, place), SEEN_IDS, tell)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_derived_again_is_what_was_answered_bit_by_bit(seed: int) -> None:
    pipeline = stream(seed)

    assert len(pipeline.kept.kept) > 300
    for kept in pipeline.kept.kept.values():
        answer = msgspec.json.decode(kept.line, type=ActionTaken)
        again = derived(pipeline, kept.place)
        assert again.taken.features == answer.features
        assert (again.taken.score, again.taken.rules) == (answer.score, answer.rules)
        assert (again.taken.model, again.taken.outcome) == (answer.model, "decided")
        assert again.is_whole


def test_no_more_is_read_than_features_can_depend_on() -> None:
    pipeline, read = stream(0), list[Record]()
    newest = list(pipeline.kept.kept.values())[-1]
    assert newest.place is not None

    derived(pipeline, newest.place, read.append)

    assert read[-1].offset == newest.place.offset
    assert 0 < len(read) < 0.7 * newest.place.offset


def test_the_gap_of_the_oldest_event_within_is_measured_from_one_before_all_windows() -> None:
    pipeline = Pipeline()
    for wait in (timedelta(), timedelta(hours=23, minutes=55), timedelta(minutes=58)):
        pipeline.now += wait
        pipeline.send(attack(occurred_at=pipeline.now.isoformat()))
    pipeline.run()
    newest = list(pipeline.kept.kept.values())[-1]
    answer = msgspec.json.decode(newest.line, type=ActionTaken)

    assert answer.features is not None
    assert "client_gap_std_1h" in answer.features
    assert derived(pipeline, newest.place).taken.features == answer.features


def test_how_many_events_it_is_made_of_is_told() -> None:
    pipeline = Pipeline()
    pipeline.send(attack(CLIENTS[0], event_id="a"), attack(CLIENTS[1]), b"not json")
    pipeline.send(attack(CLIENTS[0], event_id="a"), attack(CLIENTS[0], event_id="b"))
    pipeline.send(attack(CLIENTS[0]))
    pipeline.run()

    assert derived(pipeline, pipeline.kept.kept["b"].place).events == 2


@pytest.mark.parametrize(
    ("seen_ids", "outcome", "events"), [(3, "duplicate", 0), (2, "decided", 4)]
)
def test_a_repeat_counts_again_where_its_partition_had_forgotten_it(
    seen_ids: int, outcome: str, events: int
) -> None:
    pipeline = Pipeline()
    pipeline.send(*(attack(event_id=name) for name in ("a", "b", "c", "a")))
    retained = MemoryRetained(pipeline.broker, EVENTS)
    sighting = sighted(pipeline, Place(0, 0, 3))

    again = rederive(PACK, CHAMPION, retained, sighting, seen_ids, lambda _: None)

    assert (again.taken.outcome, again.events) == (outcome, events)
