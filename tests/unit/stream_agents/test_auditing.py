"""The books: what balances, what does not, and what the log no longer tells."""

from __future__ import annotations

import asyncio
import dataclasses

import msgspec
import pytest
from msgspec.structs import replace

from feature_store.fence import Fence, decode_fence
from producer.records import DEAD_LETTER
from stream_agents.audited import Account, account, cuts, equation
from stream_agents.memory import MemoryRetained, MemoryStore
from stream_agents.trails import Journal, Topics
from tests.unit.stream_agents.pipeline import ACTIONS, DECISIONS, EVENTS, PACK, Pipeline, line


def audited(pipeline: Pipeline, journal: Journal | None = None) -> Account:
    names = (EVENTS, DECISIONS, ACTIONS, DEAD_LETTER)
    topics = Topics(*(MemoryRetained(pipeline.broker, name) for name in names))
    epochs = topics.events.epoch(), topics.decisions.epoch()
    stores = pipeline.store, pipeline.fences
    cut = asyncio.run(cuts(stores, epochs, topics.events.spans()))
    return account(PACK, topics, cut, journal)


def busy(partitions: int = 2) -> Pipeline:
    """Events of all outcomes, all answered."""
    pipeline = Pipeline(partitions=partitions, chunks=[2])
    for number in range(6):
        pipeline.send(
            *(line(event_id=f"e{number}-{each}") for each in range(4)),
            partition=number % partitions,
        )
    pipeline.send(line(event_id="e0-0"), b"not json", line(status=7), partition=0)
    pipeline.run()
    return pipeline


def rewritten(store: MemoryStore, partition: int = 0, **changes: int) -> None:
    found = decode_fence(store.fences[partition])
    assert found is not None
    store.fences[partition] = replace(found, **changes).encoded()


def test_what_came_in_has_come_out() -> None:
    found = audited(busy())

    assert found.is_right
    assert equation(found.totals) == (
        "sent 27 = decided 24 + duplicate 1 + dead-lettered 2 + missing 0"
    )
    assert [each.sent for each in found.partitions] == [15, 12]
    assert (found.wrong, found.notes) == ((), ())


def test_nothing_at_all_balances() -> None:
    found = audited(Pipeline())

    assert found.is_right
    assert equation(found.totals) == "sent 0 = decided 0 + missing 0"


def test_what_waits_for_either_stage_is_pending() -> None:
    pipeline = busy(1)
    pipeline.send(line(event_id="scored"))
    asyncio.run(pipeline.detect())
    pipeline.send(line(event_id="not read"), line(event_id="nor this"))
    found = audited(pipeline)

    assert found.is_right
    assert found.totals["pending"] == 3
    assert equation(found.totals).endswith("+ pending 3 + missing 0")


def test_an_answer_counts_before_its_fence_does() -> None:
    pipeline = busy(1)
    before = dict(pipeline.fences.fences)
    pipeline.send(line(event_id="new"))
    pipeline.run()
    pipeline.fences.fences = before
    found = audited(pipeline)

    assert found.is_right
    assert found.totals["pending"] == 0


@pytest.mark.parametrize("topic", [DECISIONS, ACTIONS])
def test_a_record_that_is_not_there_though_the_fence_says_so_is_missing(topic: str) -> None:
    pipeline = busy(1)
    log = pipeline.broker.topics[topic].partitions[0]
    log[2] = dataclasses.replace(log[2], headers=())
    found = audited(pipeline)

    assert not found.is_right
    assert found.totals["missing"] == 4


def test_an_answer_with_too_few_lines_is_missing_the_rest() -> None:
    pipeline = busy(1)
    log = pipeline.broker.topics[ACTIONS].partitions[0]
    log[1] = dataclasses.replace(log[1], value=log[1].value.split(b"\n")[0])
    found = audited(pipeline)

    assert not found.is_right
    assert found.totals["missing"] == 3


def test_an_answer_with_too_many_lines_is_wrong() -> None:
    pipeline = busy(1)
    log = pipeline.broker.topics[ACTIONS].partitions[0]
    log[1] = dataclasses.replace(log[1], value=log[1].value + b"\n" + log[1].value)

    assert "more answers than events, the first at 1" in audited(pipeline).wrong[0]


@pytest.mark.parametrize(
    ("stage", "says"),
    [
        ("store", "the ingestion fence counts 28 events, and the log 27"),
        ("fences", "the decision fence counts 28 events, and the ingestion fence 27"),
    ],
)
def test_a_fence_that_counts_otherwise_is_wrong(stage: str, says: str) -> None:
    pipeline = busy(1)
    rewritten(getattr(pipeline, stage), decided=25)

    found = audited(pipeline)
    assert not found.is_right
    assert f"partition 0: {says}" in found.wrong


def test_an_outcome_of_another_kind_is_wrong() -> None:
    pipeline = busy(1)
    rewritten(pipeline.fences, decided=23, duplicate=2)

    [wrong] = audited(pipeline).wrong
    assert wrong == (
        "partition 0: the decision fence says decided 23, duplicate 2, dead 2,"
        " and the log decided 24, duplicate 1, dead 2"
    )


def test_a_dead_event_without_its_letter_is_wrong() -> None:
    pipeline = busy()
    pipeline.broker.topics[DEAD_LETTER].partitions[0].pop()

    assert audited(pipeline).wrong == ("partition 0: dead-letter holds 1 of 2 dead events",)


def test_repeats_after_a_crash_count_once() -> None:
    pipeline = busy(1)
    pipeline.store = MemoryStore()  # folded again from the beginning, and emitted again
    pipeline.run()
    found = audited(pipeline)

    assert found.is_right
    assert found.totals["sent"] == 27
    assert found.totals["decided"] == 24


def test_a_repeat_whose_first_copy_retention_has_taken_is_not_missing() -> None:
    pipeline = busy(1)
    pipeline.store = MemoryStore()
    pipeline.run()
    pipeline.broker.delete_before(DECISIONS, 0, 3)
    found = audited(pipeline)

    assert found.is_right
    assert found.totals["answers_gone"] == 12


def test_a_trimmed_log_is_told_and_not_missed() -> None:
    pipeline = busy(1)
    pipeline.broker.delete_before(EVENTS, 0, 2)
    found = audited(pipeline)

    assert found.is_right
    assert (found.totals["sent"], found.totals["earlier"]) == (19, 8)
    assert found.notes == (
        "partition 0: events begins at offset 2: retention has taken what came before",
    )


@pytest.mark.parametrize("topic", [DECISIONS, ACTIONS])
def test_answers_that_retention_has_taken_are_not_missing(topic: str) -> None:
    pipeline = busy(1)
    pipeline.broker.delete_before(topic, 0, 3)
    found = audited(pipeline)

    assert found.is_right
    assert (found.totals["answers_gone"], found.totals["missing"]) == (12, 0)
    assert "+ answers no longer in the log 12 + missing 0" in equation(found.totals)


def test_records_that_went_unfolded_are_told_until_the_log_has_moved_on() -> None:
    pipeline = busy(1)
    for number in range(3):
        pipeline.send(line(event_id=f"lost-{number}"))
    pipeline.broker.delete_before(EVENTS, 0, 9)
    waiting = audited(pipeline)
    pipeline.send(line(event_id="after"))
    pipeline.run()
    noticed = audited(pipeline)
    pipeline.send(line(event_id="later"))
    pipeline.broker.delete_before(EVENTS, 0, 11)
    pipeline.run()
    over = audited(pipeline)

    assert (waiting.is_right, waiting.totals["lost_records"]) == (False, 2)
    assert (noticed.is_right, noticed.totals["lost_records"]) == (False, 2)
    assert (over.is_right, over.totals["lost_records"]) == (True, 0)


def test_a_topic_made_again_begins_new_books() -> None:
    pipeline = busy(1)
    pipeline.broker.create(EVENTS, 1)
    unread = audited(pipeline)
    pipeline.send(line(event_id="first"), line(event_id="e0-1"))
    pipeline.run()
    found = audited(pipeline)

    assert (unread.is_right, unread.totals["sent"]) == (True, 0)
    assert found.is_right
    assert equation(found.totals) == "sent 2 = decided 1 + duplicate 1 + missing 0"
    assert found.notes[0] == (
        "partition 0: events was made again: 27 events of before are not in the log"
    )


def test_answers_of_a_topic_made_again_are_gone() -> None:
    pipeline = busy(1)
    pipeline.broker.create(DECISIONS, 1)
    pipeline.broker.create(ACTIONS, 1)
    pipeline.send(line(event_id="after"))
    pipeline.run()
    found = audited(pipeline)

    assert found.is_right
    assert (found.totals["decided"], found.totals["answers_gone"]) == (1, 27)


def test_answers_that_went_with_their_topic_are_missing_and_a_note_says_why_they_may_be() -> None:
    pipeline = busy(1)
    pipeline.broker.create(ACTIONS, 1)
    pipeline.send(line(event_id="after"))
    pipeline.run()
    found = audited(pipeline)

    assert (found.is_right, found.totals["missing"]) == (False, 27)
    assert "was it made again?" in found.notes[0]


def test_a_lost_store_over_a_trimmed_log_is_counted_from_where_it_begins() -> None:
    pipeline = busy(1)
    pipeline.broker.delete_before(EVENTS, 0, 2)
    pipeline.store, pipeline.fences = MemoryStore(), MemoryStore()
    nothing = audited(pipeline)
    pipeline.run()
    found = audited(pipeline)

    assert nothing.is_right
    assert "no fence is stored" in " ".join(nothing.notes)
    assert found.is_right
    assert found.totals["sent"] == 19


def test_a_journal_names_what_never_reached_the_log() -> None:
    pipeline = busy(1)
    pipeline.send(line(event_id="waits"))
    journal = Journal(frozenset({"e0-0", "e1-1", "waits", "never"}))
    found = audited(pipeline, journal)

    assert not found.is_right
    assert found.journal is not None
    assert found.journal.missing == ("never",)
    assert (found.journal.answered, found.journal.pending) == (2, ("waits",))


def test_foreign_decisions_are_told() -> None:
    pipeline = busy(1)
    pipeline.broker.produce(DECISIONS, 0, b'{"event_id":"f","outcome":"decided","score":0.1}')
    pipeline.run()
    found = audited(pipeline)

    assert found.is_right
    assert found.notes == ("partition 0: 1 records of decisions are about no record of events",)


def test_the_account_can_be_written_as_json() -> None:
    told = msgspec.json.decode(msgspec.json.encode(audited(busy())))

    assert told["is_right"] is True
    assert told["partitions"][0]["duplicate"] == 1
    assert Fence("e").events == 0
