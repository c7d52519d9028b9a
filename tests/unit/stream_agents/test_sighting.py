"""Finding an event in the log: by its id however it is written, and by its place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.errors import Unavailable
from producer.records import Record
from stream_agents.memory import MemoryBroker, MemoryRetained
from stream_agents.sighting import Sighting, event_of, find_event
from stream_agents.stage import KeptDecision, Place
from tests.unit.stream_agents.pipeline import EVENTS, PACK, line

NOON_MS = 1_767_225_600_000


@pytest.fixture
def broker() -> MemoryBroker:
    made = MemoryBroker(lambda: NOON_MS)
    made.create(EVENTS, 2)
    return made


def found(broker: MemoryBroker, event_id: str) -> Sighting | None:
    events = MemoryRetained(broker, EVENTS)
    return find_event(PACK, events, events.spans(), event_id, lambda _: None)


@pytest.mark.parametrize(
    "event_id",
    ["web-1-42", "é", '"quoted"', "with a line\nbreak", "/slash/", "🙂", "a", "0-0-7", "-"],
)
def test_any_id_is_found_at_its_place(broker: MemoryBroker, event_id: str) -> None:
    others = [line(event_id=f"{event_id}{i}") for i in range(3)]
    broker.produce(EVENTS, 0, b"\n".join(others))
    broker.produce(EVENTS, 1, others[0])
    sent = line(event_id=event_id)
    broker.produce(EVENTS, 1, b"\n\n".join([*others, sent]))

    assert found(broker, event_id) == Sighting(event_id, Place(1, 1, 3), sent, NOON_MS)


def test_an_id_that_is_written_otherwise_is_the_same(broker: MemoryBroker) -> None:
    sent = line(event_id="caf-X").replace(b"X", rb"\u00e9\/")
    broker.produce(EVENTS, 0, sent)

    assert found(broker, "caf-é/") == Sighting("caf-é/", Place(0, 0, 0), sent, NOON_MS)


def test_an_id_within_another_field_is_not_it(broker: MemoryBroker) -> None:
    broker.produce(EVENTS, 0, line(event_id="a", path="/?event_id=web-1", user_agent="web-1"))

    assert found(broker, "web-1") is None


def test_an_event_without_an_id_is_found_by_its_place(broker: MemoryBroker) -> None:
    broker.produce(EVENTS, 1, line(event_id="named") + b"\n" + line())

    assert found(broker, "1-0-1") == Sighting("1-0-1", Place(1, 0, 1), line(), NOON_MS)


@pytest.mark.parametrize("event_id", ["1-0-0", "1-0-2", "1-5-0", "7-0-0", "0-0-0"])
def test_a_place_where_another_event_stands_is_not_it(broker: MemoryBroker, event_id: str) -> None:
    broker.produce(EVENTS, 1, line(event_id="named") + b"\n" + line())

    assert found(broker, event_id) is None


def test_an_id_that_looks_like_a_place_is_an_id_first(broker: MemoryBroker) -> None:
    broker.produce(EVENTS, 0, line(event_id="other"))
    broker.produce(EVENTS, 1, line(event_id="0-0-0"))

    sighting = found(broker, "0-0-0")
    assert sighting is not None
    assert sighting.place == Place(1, 0, 0)


def test_what_cannot_be_an_event_was_answered_under_its_place(broker: MemoryBroker) -> None:
    broker.produce(EVENTS, 0, line(event_id="wrong", status="teapot"))

    for event_id in ("wrong", "0-0-0"):
        sighting = found(broker, event_id)
        assert sighting is not None
        assert sighting.event_id == "0-0-0"


KEPT = KeptDecision("a", "the topic", Place(1, 0, 1), b"{}")


@pytest.mark.parametrize(
    ("kept", "missing"),
    [
        (KEPT, None),
        (replace(KEPT, event_id="1-0-2", place=Place(1, 0, 2)), None),
        (replace(KEPT, place=None), "its place in events.access is not known"),
        (replace(KEPT, epoch="older"), "events.access has been deleted and made again since"),
        (replace(KEPT, place=Place(1, 9, 0)), "retention has removed it from events.access"),
        (replace(KEPT, event_id="b"), "another event stands at its place in events.access"),
        (replace(KEPT, place=Place(1, 0, 9)), "another event stands at its place in events.access"),
    ],
)
def test_a_kept_answers_event_is_read_or_it_is_said_why_not(
    broker: MemoryBroker, kept: KeptDecision, missing: str | None
) -> None:
    broker.topics[EVENTS].id = "the topic"
    sent = line(event_id="a")
    broker.produce(EVENTS, 1, b"\n".join([line(event_id="first"), sent, line()]))
    event, why_not = event_of(kept, MemoryRetained(broker, EVENTS))

    assert why_not == missing
    assert (event is None) == (missing is not None)
    assert event in (None, sent, line())


def test_a_log_that_is_away_hides_the_event_and_no_more(broker: MemoryBroker) -> None:
    class Away(MemoryRetained):
        def record(self, partition: int, offset: int) -> Record | None:
            raise Unavailable("Kafka at a secret address: gone")

    broker.topics[EVENTS].id = "the topic"

    assert event_of(KEPT, Away(broker, EVENTS)) == (None, "events.access does not answer")
