"""What is let go of in memory, so that a process that goes on does not grow."""

from __future__ import annotations

import sys

import pytest

from feature_store.fence import Commit, Turn
from producer.records import Record
from stream_agents.answers import FIELD_BYTES, REQUEST, Answer, MemoryResults
from stream_agents.memory import RECORD_BYTES, MemoryBroker, MemoryLog, MemoryRetained, MemoryStore

VALUE = b"x" * 500
EACH = len(VALUE) + RECORD_BYTES


def broker(retained_bytes: int | None = None) -> MemoryBroker:
    made = MemoryBroker(lambda: 0, retained_bytes)
    made.create("log", 1)
    return made


def offsets(of: MemoryBroker) -> list[int]:
    return [record.offset for record in of.topics["log"].partitions[0]]


def test_what_retention_takes_is_freed() -> None:
    kept = broker()
    value = bytes(bytearray(500))
    references = sys.getrefcount(value)
    kept.produce("log", 0, value)
    kept.produce("log", 0, VALUE)

    kept.delete_before("log", 0, 1)

    assert sys.getrefcount(value) == references
    assert offsets(kept) == [1]


@pytest.mark.parametrize(("before", "left"), [(0, [0, 1]), (1, [1]), (2, []), (9, [])])
def test_offsets_go_on_after_what_is_gone(before: int, left: list[int]) -> None:
    kept = broker()
    kept.produce("log", 0, VALUE)
    kept.produce("log", 0, VALUE)

    kept.delete_before("log", 0, before)

    assert offsets(kept) == left
    assert kept.ends("log") == {0: 2}
    assert kept.produce("log", 0, VALUE).offset == 2


def test_a_partition_holds_no_more_than_it_may_and_the_newest() -> None:
    kept = broker(retained_bytes=16 * EACH)
    for _ in range(16):
        kept.produce("log", 0, VALUE)
    assert offsets(kept) == list(range(16))

    kept.produce("log", 0, VALUE)
    assert offsets(kept) == list(range(3, 17))
    for _ in range(1000):
        kept.produce("log", 0, VALUE)
        assert len(offsets(kept)) <= 16

    assert offsets(kept)[-1] == 1016
    assert kept.topics["log"].held == [len(offsets(kept)) * EACH]


def test_a_record_larger_than_a_partition_may_hold_is_kept_alone() -> None:
    kept = broker(retained_bytes=EACH)
    kept.produce("log", 0, VALUE)

    kept.produce("log", 0, VALUE * 9)
    assert offsets(kept) == [1]
    kept.produce("log", 0, VALUE)

    assert offsets(kept) == [2]


def test_a_reader_that_is_behind_reads_on_with_what_is_left() -> None:
    kept = broker()
    log = MemoryLog(kept, "log")
    log.assign({0: 0})
    for _ in range(3):
        kept.produce("log", 0, VALUE)
    kept.delete_before("log", 0, 3)

    assert log.take() == []
    kept.produce("log", 0, b"next")

    assert [(record.offset, record.value) for record in log.take()] == [(3, b"next")]


async def test_the_next_offset_of_an_emptied_log_is_its_end() -> None:
    kept = broker()
    kept.produce("log", 0, VALUE)
    kept.delete_before("log", 0, 1)

    assert await MemoryLog(kept, "log").next_offset(0, 0) == 1


def test_a_record_that_is_being_read_stays_what_it_was() -> None:
    kept = broker()
    for number in range(4):
        kept.produce("log", 0, b"%d" % number)
    reading = MemoryRetained(kept, "log").read(0, range(4))
    first: Record = next(reading)

    kept.delete_before("log", 0, 3)

    assert [first.value, *(record.value for record in reading)] == [b"0", b"1", b"2", b"3"]


async def test_a_store_forgets_the_entities_that_changed_longest_ago() -> None:
    store = MemoryStore(most_states=8)
    await write(store, b"", b"1", [f"e{number}" for number in range(8)])
    await write(store, b"1", b"2", ["e0", "new"])

    assert sorted(name for _, name in store.states) == ["e0", "e3", "e4", "e5", "e6", "e7", "new"]
    assert await store.state(0, "e1") is None


async def write(store: MemoryStore, before: bytes, after: bytes, entities: list[str]) -> None:
    commit = Commit(before, after, dict.fromkeys(entities, b"state"))
    [reply] = await store.exchange([Turn(0, commit)])
    assert reply.fence == after


async def test_results_forget_the_oldest_batches() -> None:
    batch = 2 * (FIELD_BYTES + 100)
    results = MemoryResults(most_bytes=3 * batch)
    here = results.replies("here")
    for name in "abcd":
        await here.open(name, b"?" * 100, parts=1)
        await results.write([Answer(name, "0", "here", b"!" * 100)])

    assert [batch for batch in "abcd" if await here.read(batch)] == ["b", "c", "d"]


async def test_a_batch_larger_than_all_results_may_be_is_answered() -> None:
    results = MemoryResults(most_bytes=10)
    here = results.replies("here")
    await here.open("large", b"", parts=1)
    await results.write([Answer("large", "0", "here", b"!" * 100)])

    assert await here.wait("large", timeout=1.0) == {"0": b"!" * 100}
    assert set(results.batches) == {"large"}
    assert set(results.batches["large"]) == {REQUEST, "0"}
