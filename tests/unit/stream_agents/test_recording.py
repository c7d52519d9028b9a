"""From answers to rows: every outcome once, whatever was emitted twice or by somebody else."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from itertools import cycle

import msgspec
import pytest
from msgspec.structs import replace

from feature_store.fence import Fence, decode_fence
from models.contracts import ActionTaken
from producer.records import DEAD_LETTER, Headers, Record
from stream_agents.memory import MemoryLog, MemoryStore
from stream_agents.metrics import StageMetrics
from stream_agents.recording import (
    LONGEST_EPOCH,
    LONGEST_NAME,
    ROW,
    Recording,
    Row,
    place_in,
    storable,
    storable_text,
)
from stream_agents.stage import Memory, Place
from stream_agents.worker import Limits, Worker
from tests.unit.stream_agents.pipeline import (
    ACTIONS,
    DECISIONS,
    LONGEST,
    Pipeline,
    attack,
    line,
    taken,
)

OUTCOMES = ("decided", "duplicate", "late", "dead")


class Recorded:
    """A recorder behind a pipeline, its rows in memory."""

    def __init__(self, pipeline: Pipeline, chunks: Sequence[int] = (1_000_000,)) -> None:
        self.pipeline = pipeline
        self.store = MemoryStore()
        self.metrics = StageMetrics("access", "recorder", 1, lambda: pipeline.now.timestamp())
        self._chunks = chunks

    def run(self) -> None:
        asyncio.run(self._drain())

    async def _drain(self) -> None:
        broker = self.pipeline.broker
        log, topic = MemoryLog(broker, ACTIONS), broker.topics[ACTIONS]
        limits = Limits(cached_entities=0)
        worker = Worker(Recording("access"), self.store, log, topic.id, self.metrics, limits)
        log.assign(await worker.assigned(range(len(topic.partitions))))
        for records in taken(log.take, cycle(self._chunks)):
            await worker.process(records)
        await worker.settle()

    @property
    def rows(self) -> list[Row]:
        return [ROW.decode(encoded) for encoded in self.store.states.values()]

    @property
    def totals(self) -> dict[str, int]:
        fences = [decode_fence(stored) or Fence("") for stored in self.store.fences.values()]
        return {name: sum(getattr(fence, name) for fence in fences) for name in OUTCOMES}

    def counted(self, name: str, **labels: str) -> float:
        named = {"pack": "access", "stage": "recorder", "partition": "0", **labels}
        return self.metrics.registry.get_sample_value(name, named) or 0.0


def of_all_kinds() -> Pipeline:
    pipeline = Pipeline()
    pipeline.send(line(event_id="a"), attack(event_id="b"), line(event_id="a"))
    pipeline.send(b"not json", line(event_id="c", ago=LONGEST + timedelta(hours=1)))
    pipeline.send(line(event_id="a"), line(event_id="d", status=7))
    pipeline.run()
    return pipeline


@pytest.mark.parametrize("chunks", [(1,), (2, 1), (1_000_000,)])
def test_each_outcome_is_one_row_and_the_rows_are_the_fences_totals(chunks: Sequence[int]) -> None:
    recorded = Recorded(of_all_kinds(), chunks)
    recorded.run()

    told = [(row.source_offset, row.line, row.event_id, row.outcome) for row in recorded.rows]
    assert told == [
        (0, 0, "a", "decided"),
        (0, 1, "b", "decided"),
        (0, 2, "a", "duplicate"),
        (1, 0, "0-1-0", "dead"),
        (1, 1, "c", "late"),
        (2, 0, "a", "duplicate"),
        (2, 1, "d", "dead"),
    ]
    assert Counter(row.outcome for row in recorded.rows) == recorded.totals
    assert {row.epoch for row in recorded.rows} == {f"id of {DECISIONS}"}


def test_a_row_holds_the_answer() -> None:
    pipeline = of_all_kinds()
    recorded = Recorded(pipeline)
    recorded.run()
    answers = [msgspec.convert(answer, ActionTaken) for answer in pipeline.outcomes()]

    assert [replace(row.taken, occurred_at="") for row in recorded.rows] == [
        replace(answer, occurred_at="") for answer in answers
    ]
    assert {row.decided_ms for row in recorded.rows} == {pipeline.now.timestamp() * 1000}
    assert recorded.rows[1].taken.occurred_at == "2026-03-01T12:00:00.000Z"


def test_answers_that_were_emitted_again_are_dropped_and_counted() -> None:
    pipeline = of_all_kinds()
    recorded = Recorded(pipeline)
    recorded.run()
    before = recorded.rows, recorded.totals
    pipeline.fences.fences.clear()
    asyncio.run(pipeline.decide())
    assert len(pipeline.values(ACTIONS)) == 6

    recorded.run()

    assert (recorded.rows, recorded.totals) == before
    assert recorded.counted("centinela_repeated_records_total") == 3
    assert recorded.counted("centinela_events_read_total") == 7


def test_the_books_balance() -> None:
    recorded = Recorded(of_all_kinds())
    recorded.run()
    ended = [("decided", "allow"), ("decided", "block"), *((name, "") for name in OUTCOMES[1:])]

    assert recorded.counted("centinela_events_read_total") == sum(
        recorded.counted("centinela_events_total", outcome=outcome, action=action)
        for outcome, action in ended
    )
    assert recorded.counted("centinela_repeated_records_total") == 0
    assert recorded.counted("centinela_fence_events_total", outcome="duplicate") == 2


def answered(value: bytes, headers: Headers = (), at_ms: int = 5) -> tuple[Recorded, list[Row]]:
    """What becomes of a record on `actions.access` that anybody may have sent."""
    pipeline = Pipeline()
    pipeline.broker._now_ms = lambda: at_ms
    pipeline.broker.produce(ACTIONS, 0, value, headers)
    recorded = Recorded(pipeline)
    recorded.run()
    return recorded, recorded.rows


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\xff", "DecodeError"),
        (b'{"event_id":"x","outcome":"seen"}', "Invalid enum value"),
        (b'{"event_id":"x","outcome":"dead","entity":"%s"}' % (b"x" * 513), "length <= 512"),
        (b'{"event_id":"x","outcome":"decided","ttl_s":9223372036854775808}', "`int` <="),
    ],
    ids=["no text", "no outcome", "a long entity", "a large number"],
)
def test_what_no_row_can_hold_is_a_dead_row_and_a_dead_letter(value: bytes, reason: str) -> None:
    recorded, [row] = answered(value)

    assert (row.outcome, row.event_id) == ("dead", "0-0-0")
    assert reason in (row.error or "")
    [letter] = recorded.pipeline.dead_letters()
    assert (letter["topic"], letter["offset"]) == (ACTIONS, "0")
    assert recorded.totals["dead"] == 1
    assert len(recorded.pipeline.broker.topics[DEAD_LETTER].partitions[0]) == 1


def test_the_longest_entity_is_taken() -> None:
    entity = "é" * LONGEST_NAME
    _, [row] = answered(msgspec.json.encode({"event_id": "", "outcome": "late", "entity": entity}))

    assert (row.outcome, row.entity) == ("late", entity)


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("source-epoch", b"elsewhere"),),
        (("source-epoch", b"elsewhere"), ("source-offset", b"-1")),
        (("source-epoch", b"elsewhere"), ("source-offset", b"9223372036854775808")),
        (("source-epoch", b"x" * (LONGEST_EPOCH + 1)), ("source-offset", b"1")),
    ],
    ids=["none", "half", "negative", "large", "long"],
)
def test_an_answer_that_names_no_source_stands_under_its_own_place(headers: Headers) -> None:
    _, rows = answered(b'{"event_id":"x","outcome":"dead"}\n' * 2, headers)

    assert [(row.epoch, row.source_offset, row.line) for row in rows] == [
        (f"id of {ACTIONS}", 0, 0),
        (f"id of {ACTIONS}", 0, 1),
    ]


@pytest.mark.parametrize(("at_ms", "told"), [(-1, 0), (1 << 62, 253_402_300_799_999), (7, 7)])
def test_a_time_that_no_clock_shows_is_brought_into_reach(at_ms: int, told: int) -> None:
    _, [row] = answered(b'{"event_id":"x","outcome":"dead"}', at_ms=at_ms)

    assert row.decided_ms == told


def test_a_poisoned_line_is_dead() -> None:
    stage = Recording("access")
    record = Record(0, 3, 0, b'{"event_id":"x","outcome":"late"}')
    memory = Memory({0: Fence("epoch")}, {}, {})

    folded = stage.fold(stage.decode([record], [Place(0, 3, 0)]), memory)

    [row] = map(ROW.decode, folded.changes[0].states.values())
    assert (row.outcome, row.event_id) == ("dead", "0-3-0")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a\0b", "a\ufffdb"),
        ("\0\0", "\ufffd\ufffd"),
        ("\\u0000", "\\u0000"),
        ("\\\0", "\\\ufffd"),
        ("\\\\u0000\0", "\\\\u0000\ufffd"),
        ("\x01", "\x01"),
    ],
)
def test_no_row_holds_the_character_that_postgres_cannot(text: str, told: str) -> None:
    assert msgspec.json.decode(storable(msgspec.json.encode([text, text]))) == [told, told]
    assert storable_text(text) == told


@pytest.mark.parametrize("name", ["", "1", "1-2", "a-1 x", "1-2x", f"{'9' * 19}-0 x"])
def test_what_is_no_name_of_a_row_is_none(name: str) -> None:
    assert place_in(name) is None


def test_a_rows_name_says_where_it_stands() -> None:
    row = Row("an epoch", 3, 1 << 40, 199, 0, "x", "dead")

    assert place_in(row.name) == (1 << 40, 199, "an epoch")
