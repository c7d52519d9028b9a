"""What a stage drops of the stage before, and what it finds missing."""

from __future__ import annotations

import pytest

from feature_store.fence import Fence, Upstream
from models.contracts import Outcome
from producer.records import Headers, Record
from stream_agents.outcomes import advance, arrived_ms, first_copies, source_of
from stream_agents.stage import Tally

EPOCH, AGAIN = "topic id", "topic id of the topic made again"


def copy(offset: int, source: int | None, epoch: str = EPOCH, partition: int = 0) -> Record:
    """A record whose headers name its source; none where nobody of ours has sent it."""
    headers: Headers = ()
    if source is not None:
        headers = (("source-epoch", epoch.encode()), ("source-offset", b"%d" % source))
    return Record(partition, offset, 0, b"", headers)


def fences(*upstream: int | None, epoch: str = EPOCH) -> dict[int, Fence]:
    """A fence a partition, with the newest source that it has applied."""
    return {
        partition: Fence(
            "ours", upstream={} if offset is None else {str(partition): Upstream(epoch, offset)}
        )
        for partition, offset in enumerate(upstream)
    }


def kept(records: list[Record], before: dict[int, Fence]) -> list[int]:
    return [record.offset for record in first_copies(records, before)[0]]


def test_records_that_follow_each_other_are_all_kept() -> None:
    records = [copy(0, 5), copy(1, 6), copy(2, 7)]

    fresh, newest, alarms = first_copies(records, fences(4))

    assert (fresh, alarms) == (records, [])
    assert newest == {0: {"0": Upstream(EPOCH, 7)}}


def test_a_source_that_was_applied_before_is_dropped() -> None:
    assert kept([copy(9, 3), copy(10, 4), copy(11, 5)], fences(4)) == [11]


def test_of_copies_in_one_chunk_the_first_is_kept() -> None:
    assert kept([copy(0, 0), copy(1, 1), copy(2, 0), copy(3, 1), copy(4, 2)], fences(None)) == [
        0,
        1,
        4,
    ]


def test_dropped_copies_do_not_move_the_newest_source_back() -> None:
    _, newest, alarms = first_copies([copy(0, 2), copy(1, 3)], fences(4))

    assert newest == {0: {"0": Upstream(EPOCH, 4)}}
    assert alarms == []


def test_a_missing_source_is_an_alarm_and_what_follows_is_kept() -> None:
    fresh, newest, alarms = first_copies([copy(0, 5), copy(1, 7), copy(2, 9)], fences(4))

    assert [record.offset for record in fresh] == [0, 1, 2]
    assert newest == {0: {"0": Upstream(EPOCH, 9)}}
    assert alarms == ["upstream-gap", "upstream-gap"]


def test_the_first_source_ever_seen_may_be_any() -> None:
    fresh, newest, alarms = first_copies([copy(0, 1_000)], fences(None))

    assert (len(fresh), alarms) == (1, [])
    assert newest == {0: {"0": Upstream(EPOCH, 1_000)}}


def test_a_topic_created_again_starts_over_without_an_alarm() -> None:
    records = [copy(0, 0, AGAIN), copy(1, 1, AGAIN), copy(2, 1, AGAIN)]

    fresh, newest, alarms = first_copies(records, fences(4))

    assert [record.offset for record in fresh] == [0, 1]
    assert newest == {0: {"0": Upstream(AGAIN, 1)}}
    assert alarms == []


def test_partitions_are_counted_apart() -> None:
    records = [copy(0, 4), copy(1, 5), copy(0, 7, partition=1), copy(1, 8, partition=1)]

    fresh, newest, alarms = first_copies(records, fences(4, 6))

    assert [(record.partition, record.offset) for record in fresh] == [(0, 1), (1, 0), (1, 1)]
    assert newest == {0: {"0": Upstream(EPOCH, 5)}, 1: {"1": Upstream(EPOCH, 8)}}
    assert alarms == []


def test_records_of_nobody_of_ours_are_kept_and_count_for_nothing() -> None:
    unreadable = Record(0, 2, 0, b"", (("source-epoch", b"e"), ("source-offset", b"-7")))

    fresh, newest, _ = first_copies([copy(0, None), copy(1, None), unreadable], fences(4))

    assert len(fresh) == 3
    assert newest == {0: {"0": Upstream(EPOCH, 4)}}


def test_the_fences_given_stay_as_they_were() -> None:
    before = fences(4)

    first_copies([copy(0, 5)], before)

    assert before == fences(4)


def test_a_fence_advances_to_its_newest_record_and_adds_up_the_outcomes() -> None:
    before = {0: Fence("e", offset=2, decided=10, late=1), 1: Fence("e"), 2: Fence("e")}
    tallies = [
        Tally(0, Outcome.DECIDED, "allow", 3),
        Tally(0, Outcome.DECIDED, "block", 1),
        Tally(0, Outcome.DUPLICATE, "", 2),
        Tally(1, Outcome.DEAD, "", 1),
    ]

    after = advance(before, [copy(3, 0), copy(4, 0), copy(0, 0, partition=1)], tallies)

    assert after == {
        0: Fence("e", offset=4, decided=14, duplicate=2, late=1),
        1: Fence("e", offset=0, dead=1),
    }


OURS = ("source-epoch", b"e")


@pytest.mark.parametrize(
    ("headers", "at_ms"),
    [
        ((OURS, ("arrived", b"5")), 5),
        ((("arrived", b"5"),), 70),
        ((OURS,), 70),
        ((OURS, ("arrived", b"-5")), 70),
        ((OURS, ("arrived", b"9" * 400)), 70),
    ],
    ids=["told by us", "told by a producer", "not told", "no time", "no float"],
)
def test_an_event_arrived_when_its_first_record_did(headers: Headers, at_ms: int) -> None:
    assert arrived_ms(Record(0, 0, 70, b"", headers)) == at_ms


@pytest.mark.parametrize(
    "headers",
    [
        (("source-epoch", b"\xff"), ("source-offset", b"-1")),
        (("source-epoch", b"\xff"), ("source-offset", b"9" * 5000)),
        (("source-epoch", b"\xff"), ("source-offset", "\u0663".encode())),
        (("source-epoch", b""), ("source-offset", b"1")),
    ],
)
def test_headers_that_are_not_ours_name_no_source(headers: Headers) -> None:
    assert source_of(Record(0, 0, 0, b"", headers)) is None


def test_an_epoch_of_any_bytes_is_some_epoch() -> None:
    record = Record(0, 0, 0, b"", (("source-epoch", b"\xff"), ("source-offset", b"1")))

    assert source_of(record) == Upstream("\ufffd", 1)
