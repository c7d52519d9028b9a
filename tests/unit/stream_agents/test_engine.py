"""The two stages over the log and store in memory: one outcome for each line, in order."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.fence import decode_fence
from models.contracts import Action
from tests.unit.stream_agents.pipeline import (
    ACTIONS,
    ARRIVAL,
    DECISIONS,
    LONGEST,
    MICROSECOND,
    PACK,
    Pipeline,
    attack,
    ids,
    line,
)

SKEW = PACK.max_skew
A, B = "203.0.113.1", "203.0.113.2"
NOT_JSON, NOT_UTF8, NOT_AN_EVENT = b"not json", b"\xff\xfe", b'{"client_ip": 1}'


def answered(*records: list[bytes]) -> list[dict[str, Any]]:
    """The final answers to some records of one partition."""
    pipeline = Pipeline()
    for record in records:
        pipeline.send(*record)
    pipeline.run()
    return pipeline.outcomes()


def test_each_line_is_answered_once_in_its_place() -> None:
    lines = [
        line(event_id="first"),
        NOT_JSON,
        line(event_id="first"),
        line(event_id="late", ago=LONGEST + MICROSECOND),
        line(event_id="future", ago=-SKEW - MICROSECOND),
        attack(event_id="last"),
    ]

    assert ids(answered(lines[:4], lines[4:])) == [
        ("first", "decided"),
        ("0-0-1", "dead"),
        ("first", "duplicate"),
        ("late", "late"),
        ("future", "dead"),
        ("last", "decided"),
    ]


def test_both_topics_tell_the_same_outcomes() -> None:
    pipeline = Pipeline()
    pipeline.send(line(event_id="a"), NOT_JSON, line(event_id="a"), attack(event_id="b"))
    pipeline.run()

    assert ids(pipeline.outcomes(DECISIONS)) == ids(pipeline.outcomes(ACTIONS))


def test_events_without_an_id_are_named_by_their_place() -> None:
    outcomes = answered([line(), line(event_id="given")], [line()])

    assert ids(outcomes) == [("0-0-0", "decided"), ("given", "decided"), ("0-1-0", "decided")]


@pytest.mark.parametrize(
    ("ago", "outcome"),
    [
        (LONGEST - MICROSECOND, "decided"),
        (LONGEST, "decided"),
        (LONGEST + MICROSECOND, "late"),
    ],
    ids=["within", "at", "beyond"],
)
def test_late_is_more_than_the_longest_window_behind_the_clients_newest(
    ago: timedelta, outcome: str
) -> None:
    assert answered([line(A), line(A, ago)])[1]["outcome"] == outcome


def test_a_quiet_clients_old_event_is_not_late() -> None:
    assert answered([line(A), line(B, 2 * LONGEST)])[1]["outcome"] == "decided"


def test_a_late_event_has_no_action_and_says_why() -> None:
    late = answered([line(A), attack(A, event_id="late", ago=2 * LONGEST)])[1]

    assert late.keys() == {"event_id", "outcome", "entity", "occurred_at", "error"}
    assert late["error"] == f"more than {LONGEST} behind the newest of {A}"


def test_a_late_event_leaves_the_features_as_they_were() -> None:
    with_late, without = Pipeline(), Pipeline()
    with_late.send(line(A, event_id="a"), line(A, 2 * LONGEST, event_id="late"))
    without.send(line(A, event_id="a"))
    with_late.run()
    without.run()

    assert with_late.store.states == without.store.states


@pytest.mark.parametrize(
    ("ahead", "outcome"),
    [
        (SKEW - MICROSECOND, "decided"),
        (SKEW, "decided"),
        (SKEW + MICROSECOND, "dead"),
    ],
    ids=["within", "at", "beyond"],
)
def test_dead_is_further_ahead_of_the_arrival_than_clocks_may_differ(
    ahead: timedelta, outcome: str
) -> None:
    assert answered([line(ago=-ahead)])[0]["outcome"] == outcome


def test_a_future_event_evicts_nobody_and_its_id_stays_free() -> None:
    outcomes = answered([line(A, timedelta(days=-400), event_id="a"), line(A, event_id="a")])

    assert ids(outcomes) == [("a", "dead"), ("a", "decided")]


def test_a_future_event_is_told_the_rule_and_its_time() -> None:
    [dead] = answered([line(ago=timedelta(days=-1))])

    assert f"at most {SKEW} ahead of the event's arrival" in dead["error"]
    assert (ARRIVAL + timedelta(days=1)).isoformat() in dead["error"]


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (NOT_JSON, "DecodeError"),
        (NOT_UTF8, "DecodeError"),
        (NOT_AN_EVENT, "ValidationError"),
        (line(status=99), "InvalidEvent"),
        (line(client=""), "InvalidEvent"),
        (line(occurred_at="yesterday"), "InvalidEvent"),
        (line(ago=timedelta(days=-1)), "InvalidEvent"),
    ],
    ids=["json", "utf8", "schema", "range", "entity", "time", "future"],
)
def test_a_dead_line_is_kept_as_it_came_with_its_place_and_the_reason(
    raw: bytes, error: str
) -> None:
    pipeline = Pipeline()
    pipeline.send(line(), line())
    pipeline.send(line(), raw)
    pipeline.run()

    [letter] = pipeline.dead_letters()
    dead = pipeline.outcomes()[3]
    place = {name: letter[name] for name in ("topic", "partition", "offset", "line")}
    assert place == {"topic": "events.access", "partition": "0", "offset": "1", "line": "1"}
    assert letter["value"] == raw.decode(errors="replace")
    assert letter["error"] == error
    assert (dead["event_id"], dead["outcome"]) == ("0-1-1", "dead")
    assert dead["error"] == f"{letter['error']}: {letter['reason']}"


@pytest.mark.parametrize("topic", [DECISIONS, ACTIONS])
def test_a_repeat_names_the_first_and_counts_for_nothing(topic: str) -> None:
    pipeline = Pipeline()
    pipeline.send(attack(A, event_id="a"), attack(A, event_id="a"))
    pipeline.send(attack(A, event_id="a"), attack(A, event_id="b"))
    pipeline.run()

    first, *repeats, second = pipeline.outcomes(topic)
    assert [each["duplicate_of"] for each in repeats] == ["a", "a"]
    assert {name for each in repeats for name in each} == {
        "event_id",
        "outcome",
        "entity",
        "occurred_at",
        "duplicate_of",
    }
    assert first["features"]["client_requests_count_1m"] == 1
    assert second["features"]["client_requests_count_1m"] == 2


def test_a_late_event_sent_again_is_a_repeat() -> None:
    late = line(A, 2 * LONGEST, event_id="late")

    assert ids(answered([line(A), late], [late]))[1:] == [("late", "late"), ("late", "duplicate")]


def test_an_event_sees_those_before_it_and_itself() -> None:
    outcomes = answered([attack(A), attack(A), attack(B)], [attack(A)])

    counts = [each["features"]["client_requests_count_1m"] for each in outcomes]
    assert counts == [1, 2, 1, 3]


def test_an_ordinary_event_is_allowed_without_reasons_or_features() -> None:
    [allowed] = answered([line(A, event_id="a")])

    assert allowed["action"] == "allow"
    assert not {"reasons", "rules", "features", "ttl_s"} & allowed.keys()
    assert 0 <= allowed["score"] <= 1


def test_an_attack_is_blocked_for_a_time_with_its_reasons_and_versions() -> None:
    [blocked] = answered([attack(A, event_id="a")])

    assert blocked["action"] == "block"
    assert blocked["ttl_s"] == PACK.policy.ttl[Action.BLOCK].total_seconds()
    assert "path_traversal" in blocked["rules"]
    assert "path_traversal" in {reason["code"] for reason in blocked["reasons"]}
    assert blocked["policy"] == PACK.policy.version
    assert blocked["model"].startswith("access-")


def test_the_books_balance_on_both_sides() -> None:
    pipeline = Pipeline()
    pipeline.send(line(event_id="a"), line(event_id="a"), NOT_JSON)
    pipeline.send(line(A), line(A, 2 * LONGEST), b"")
    pipeline.run()

    for store in (pipeline.store, pipeline.fences):
        fence = decode_fence(store.fences[0])
        assert fence is not None
        ended = (fence.decided, fence.duplicate, fence.late, fence.dead)
        assert (fence.offset, ended) == (1, (2, 1, 1, 1))


@pytest.mark.parametrize("value", [b"", b"\n", b" \n\t\n"], ids=["nothing", "newline", "blanks"])
def test_a_record_without_lines_is_answered_by_one_without_lines(value: bytes) -> None:
    pipeline = Pipeline()
    pipeline.send(value, headers=(("batch", b"b"), ("part", b"0"), ("reply", b"api")))
    pipeline.send(line(event_id="next"))
    pipeline.run()

    assert pipeline.values(ACTIONS)[0] == b""
    assert ids(pipeline.outcomes()) == [("next", "decided")]
    assert pipeline.results.batches == {"b": {"0": b""}}


@pytest.mark.parametrize("between", [b"", b"\n", b"\r\n", b"\n\n"])
def test_line_breaks_at_a_records_end_or_in_between_are_no_lines(between: bytes) -> None:
    first, second = line(event_id="a"), line(event_id="b")
    pipeline = Pipeline()
    pipeline.send(first + b"\n" + between + second + between)
    pipeline.run()

    assert ids(pipeline.outcomes()) == [("a", "decided"), ("b", "decided")]


TWO_ON_A_LINE = line(event_id="a") + b" " + line(event_id="b")
BROKEN_OVER_LINES = line(event_id="c").replace(b",", b",\n", 1)


@pytest.mark.parametrize("other", [b"", BROKEN_OVER_LINES], ids=["empty", "broken"])
def test_two_events_on_a_line_are_one_dead_line_whatever_is_beside_it(other: bytes) -> None:
    pipeline = Pipeline()
    pipeline.send(TWO_ON_A_LINE)
    pipeline.send(line(event_id="next"))
    pipeline.send(other)
    pipeline.run()

    first, second, _ = pipeline.values(ACTIONS)
    assert ids([msgspec.json.decode(first)]) == [("0-0-0", "dead")]
    assert ids([msgspec.json.decode(second)]) == [("next", "decided")]


def test_headers_of_a_batch_are_handed_on_with_the_source() -> None:
    pipeline = Pipeline()
    asked = (("batch", b"b"), ("part", b"1"), ("reply", b"api"), ("trace", b"t"))
    sent = pipeline.send(line(), headers=(*asked, ("other", b"stays behind"), ("arrived", b"1")))
    asyncio.run(pipeline.detect())
    pipeline.now += timedelta(seconds=9)
    asyncio.run(pipeline.decide())

    for topic, source in ((DECISIONS, "events.access"), (ACTIONS, DECISIONS)):
        [record] = pipeline.broker.topics[topic].partitions[0]
        epoch = pipeline.broker.topics[source].id.encode()
        ours = (("source-epoch", epoch), ("source-offset", b"0"), ("arrived", b"%d" % sent.at_ms))
        assert record.headers == (*asked, *ours)


def test_who_waits_is_answered_with_the_very_lines_of_the_topic() -> None:
    pipeline = Pipeline(partitions=2)
    for partition, part in ((0, b"0"), (1, b"1")):
        asked = (("batch", b"b"), ("part", part), ("reply", b"api"))
        pipeline.send(line(), NOT_JSON, attack(), partition=partition, headers=asked)
    pipeline.send(line())
    pipeline.run()

    assert pipeline.results.batches == {
        "b": {"0": pipeline.values(ACTIONS, 0)[0], "1": pipeline.values(ACTIONS, 1)[0]}
    }


async def test_decisions_emitted_again_are_answered_once() -> None:
    pipeline = Pipeline()
    pipeline.send(line(event_id="a"))
    pipeline.send(attack(event_id="b"))
    await pipeline.detect()
    for record in tuple(pipeline.broker.topics[DECISIONS].partitions[0]):
        pipeline.broker.produce(DECISIONS, 0, record.value, record.headers)

    await pipeline.decide()

    assert ids(pipeline.outcomes()) == [("a", "decided"), ("b", "decided")]


def kinds(client: str) -> list[bytes]:
    """All that can happen to a client's events, in an order in which it does."""
    usual = [line(client, timedelta(seconds=3), event_id=f"{client}-{i}") for i in range(4)]
    once = attack(client, event_id=f"{client} once")
    late = line(client, 2 * LONGEST, event_id=f"{client} late")
    future = line(client, -2 * SKEW, event_id=f"{client} future")
    strange = [line(client, status=7), NOT_JSON, TWO_ON_A_LINE, b"", line(client)]
    return [*usual, once, late, once, late, *strange, future, *usual, attack(client)]


def mixed() -> list[tuple[int, bytes]]:
    """Records of two partitions, of one to three lines each, clients taking turns."""
    records = []
    for partition, clients in ((0, (A, B)), (1, ("session 1", "session 2"))):
        lines = [each for pair in zip(*map(kinds, clients), strict=True) for each in pair]
        sizes = itertools.cycle((1, 3, 2))
        while lines:
            size = next(sizes)
            records.append((partition, b"\n".join(lines[:size])))
            lines = lines[size:]
    return records


def everything(chunks: list[int] | None) -> dict[str, object]:
    pipeline = Pipeline(partitions=2, chunks=chunks)
    for partition, value in mixed():
        pipeline.send(value, partition=partition)
    pipeline.run()
    return pipeline.everything()


WHOLE = everything(None)


@settings(max_examples=40, deadline=None)
@given(chunks=st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_how_records_are_cut_into_chunks_changes_not_a_byte(chunks: list[int]) -> None:
    assert everything(chunks) == WHOLE


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_how_events_are_cut_into_records_changes_no_line(sizes: list[int]) -> None:
    whole, cut = Pipeline(), Pipeline()
    lines = [each for each in kinds(A) if b"event_id" in each and each != TWO_ON_A_LINE]
    whole.send(*lines)
    for size in itertools.cycle(sizes):
        if not lines:
            break
        cut.send(*lines[:size])
        lines = lines[size:]
    whole.run()
    cut.run()

    assert b"\n".join(cut.values(ACTIONS)) == b"\n".join(whole.values(ACTIONS))
    assert cut.store.states == whole.store.states


def test_headers_of_any_bytes_harm_nobody() -> None:
    names = ("batch", "part", "reply", "trace", "source-epoch", "source-offset", "arrived", "")
    pipeline = Pipeline()
    pipeline.send(line(event_id="a"), headers=tuple((name, b"\xff") for name in names))
    pipeline.send(line(event_id="b"))
    pipeline.run()

    assert [outcome["event_id"] for outcome in pipeline.outcomes()] == ["a", "b"]
