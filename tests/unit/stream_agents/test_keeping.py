"""What the decision agent keeps to be explained, and where it says the event stands."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from models.contracts import ActionTaken
from models.errors import Unavailable
from stream_agents.answers import Answer, MemoryResults
from stream_agents.engine import Decision
from stream_agents.keeping import MOST_AT_ONCE
from stream_agents.kept import MemoryDecisions
from stream_agents.memory import MemoryLog, MemoryStore
from stream_agents.metrics import StageMetrics
from stream_agents.stage import KeptDecision, Place
from stream_agents.worker import Limits, Worker
from tests.unit.stream_agents.pipeline import (
    ACTIONS,
    DECISIONS,
    EVENTS,
    PACK,
    Pipeline,
    attack,
    line,
)

A, B, C = "203.0.113.1", "203.0.113.2", "203.0.113.3"


def kept_of(pipeline: Pipeline) -> dict[str, KeptDecision]:
    pipeline.run()
    return pipeline.kept.kept


def test_only_what_is_not_simply_allowed_is_kept() -> None:
    pipeline = Pipeline()
    pipeline.send(line(A, event_id="allowed"), attack(B, event_id="blocked"), b"not json")
    pipeline.send(attack(B, event_id="blocked"), line(C, event_id='"action":"block"'))

    assert list(kept_of(pipeline)) == ["blocked"]


def test_what_is_kept_is_the_line_of_the_topic() -> None:
    pipeline = Pipeline()
    pipeline.send(line(A), attack(B, event_id="blocked"))
    kept = kept_of(pipeline)["blocked"]

    assert kept.line == pipeline.values(ACTIONS)[0].split(b"\n")[1]
    assert msgspec.json.decode(kept.line, type=ActionTaken).action == "block"


def test_the_place_is_that_of_the_event_and_not_of_its_answer() -> None:
    pipeline = Pipeline(partitions=2)
    pipeline.broker.produce(DECISIONS, 1, b"")  # a foreign record: offsets differ from here on
    pipeline.send(line(A), partition=1)
    pipeline.send(line(A), b"\n", b"not json", attack(B), partition=1)
    [kept] = kept_of(pipeline).values()

    assert kept.place == Place(1, 1, 2)
    assert kept.event_id == "1-1-2"
    assert kept.epoch == f"id of {EVENTS}"


def test_a_records_first_line_is_its_own_and_not_of_the_one_before() -> None:
    pipeline = Pipeline()
    pipeline.send(attack(A), attack(A))
    pipeline.send(b"")
    pipeline.send(attack(A))

    assert list(kept_of(pipeline)) == ["0-0-0", "0-0-1", "0-2-0"]
    assert [kept.place for kept in pipeline.kept.kept.values()] == [
        Place(0, 0, 0),
        Place(0, 0, 1),
        Place(0, 2, 0),
    ]


def test_an_answer_to_a_foreign_record_is_kept_without_a_place() -> None:
    pipeline = Pipeline()
    pipeline.send(attack(A, event_id="a"))
    pipeline.run()
    [record] = pipeline.broker.topics[DECISIONS].partitions[0]
    foreign = record.value.replace(b'"a"', b'"foreign"')
    pipeline.broker.produce(DECISIONS, 0, foreign)
    kept = kept_of(pipeline)["foreign"]

    assert (kept.place, kept.epoch) == (None, "")


def test_a_chunk_done_again_changes_nothing_that_is_kept() -> None:
    pipeline = Pipeline()
    pipeline.send(attack(A, event_id="a"), attack(B, event_id="b"))
    before = dict(kept_of(pipeline))
    pipeline.fences = MemoryStore()  # all that was committed is lost

    assert kept_of(pipeline) == before


def test_in_a_flood_every_client_is_kept_before_any_is_kept_again() -> None:
    pipeline = Pipeline()
    flood = [attack(A, event_id=f"flood {i}") for i in range(MOST_AT_ONCE)]
    others = [attack(f"198.51.100.{i}", event_id=f"other {i}") for i in range(20)]
    pipeline.send(*flood[:-1])
    pipeline.send(*others, flood[-1])
    kept = list(kept_of(pipeline))

    assert kept == [f"flood {i}" for i in range(MOST_AT_ONCE - 20)] + [
        f"other {i}" for i in range(20)
    ]


class Noting(MemoryResults, MemoryDecisions):
    """Says in which order it was written to; what is kept is refused once."""

    def __init__(self) -> None:
        MemoryResults.__init__(self)
        MemoryDecisions.__init__(self)
        self.calls: list[str] = []

    async def write(self, answers: Sequence[Answer]) -> None:
        self.calls.append("answers")
        await MemoryResults.write(self, answers)

    async def keep(self, decisions: Sequence[KeptDecision]) -> None:
        self.calls.append("kept")
        if self.calls.count("kept") == 1:
            raise Unavailable("redis: away")
        await MemoryDecisions.keep(self, decisions)


async def decided(*lines: bytes) -> Noting:
    """What becomes of some lines of one batch where the store is away at first."""
    pipeline, noting = Pipeline(), Noting()
    headers = (("batch", b"b"), ("part", b"0"), ("reply", b"api"))
    pipeline.send(*lines, headers=headers)
    await pipeline.detect()
    log = MemoryLog(pipeline.broker, DECISIONS)
    stage = Decision(PACK, noting, kept=noting)
    metrics = StageMetrics("access", "test")
    worker = Worker(stage, MemoryStore(), log, "", metrics, Limits(deadline_s=5))
    log.assign(await worker.assigned([0]))
    await worker.process(log.take())
    return noting


async def test_callers_are_answered_before_anything_is_kept() -> None:
    noting = await decided(attack(A, event_id="a"))

    assert noting.calls == ["answers", "kept", "answers", "kept"]
    assert list(noting.kept) == ["a"]
    assert list(noting.batches) == ["b"]


async def test_where_all_is_allowed_no_call_is_made() -> None:
    assert (await decided(line(A), line(B))).calls == ["answers"]


@pytest.mark.parametrize("text", ["", "1", "1-2", "1-2-3-4", "a-b-c", "1-2-", " 1-2-3", "-1-2-3"])
def test_another_text_is_no_place(text: str) -> None:
    assert Place.read(text) is None


def test_a_place_is_read_back_from_its_text() -> None:
    assert Place.read(Place(3, 1 << 40, 7).text) == Place(3, 1 << 40, 7)
