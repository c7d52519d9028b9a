"""What is answered while less is known than should be: never a silent allow."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from api.assembly import result_of
from feature_store.fence import Fence, Gap, decode_fence
from models.contracts import Action
from models.lists import Entry
from models.policy import Policy
from models.regime import Regime
from producer.records import Record
from scripts.explanation import facts
from stream_agents.deciding import UNKNOWN_RULE, longest_held
from stream_agents.engine import Detection
from stream_agents.explanation import Answered, Judges, explain
from stream_agents.gaps import feels, gap_before
from stream_agents.memory import MemoryLog, MemoryStore
from stream_agents.worker import Worker
from tests.unit.stream_agents.decisions import (
    DAY,
    NOON,
    SECOND,
    A,
    B,
    answers,
    attack,
    event,
    regime,
)
from tests.unit.stream_agents.pipeline import (
    ACTIONS,
    ARRIVAL,
    CHAMPION,
    DECISIONS,
    EVENTS,
    LONGEST,
    PACK,
    Pipeline,
    ids,
    line,
)
from tests.unit.stream_agents.pipeline import attack as attack_line

REACH = LONGEST * 25 / 24 + PACK.max_skew


def told(pipeline: Pipeline) -> list[tuple[str, str | None, bool]]:
    return [
        (each["event_id"], each.get("action"), "degraded" in each)
        for each in pipeline.outcomes(ACTIONS)
    ]


def now(pipeline: Pipeline, event_id: str, client: str = "198.51.100.7") -> bytes:
    return line(client, event_id=event_id, occurred_at=pipeline.now.isoformat())


def fence(store: MemoryStore, partition: int = 0) -> Fence:
    found = decode_fence(store.fences[partition])
    assert found is not None
    return found


async def detecting(
    pipeline: Pipeline, kind: type[MemoryLog] = MemoryLog
) -> tuple[Worker, MemoryLog]:
    """The first stage's worker, to be stopped at any step."""
    log, source = kind(pipeline.broker, EVENTS), pipeline.broker.topics[EVENTS]
    detection = Detection(PACK, CHAMPION)
    worker = Worker(detection, pipeline.store, log, source.id, pipeline.metrics[EVENTS])
    log.assign(await worker.assigned(range(len(source.partitions))))
    return worker, log


def with_a_gap() -> Pipeline:
    """Record 0 was folded, record 1 was lost, record 2 is there."""
    pipeline = Pipeline()
    pipeline.send(now(pipeline, "a"))
    pipeline.run()
    for event_id in ("b", "c"):
        pipeline.now += timedelta(minutes=1)
        pipeline.send(now(pipeline, event_id))
    pipeline.broker.delete_before(EVENTS, 0, 2)
    return pipeline


def test_an_event_after_a_loss_of_records_is_degraded_and_not_allowed() -> None:
    pipeline = with_a_gap()
    pipeline.run()

    assert told(pipeline) == [("a", "allow", False), ("c", "alert", True)]
    answer = pipeline.outcomes(ACTIONS)[1]
    assert answer["degraded"] == (
        "features are incomplete until 2026-03-02T13:07:00.000Z:"
        " records went before they were folded"
    )
    assert answer["reasons"] == [{"code": "degraded", "text": answer["degraded"]}]
    at_ms = int((ARRIVAL + timedelta(minutes=2)).timestamp() * 1000)
    assert fence(pipeline.store).gap == Gap("lost", 2, at_ms, 1)


@pytest.mark.parametrize(
    ("after", "action"),
    [(REACH - timedelta(milliseconds=1), "alert"), (REACH, "allow")],
    ids=["until", "from"],
)
def test_it_ends_when_no_window_reaches_back_behind_the_loss(after: timedelta, action: str) -> None:
    pipeline = with_a_gap()
    pipeline.run()
    pipeline.now += after
    pipeline.send(now(pipeline, "d", "198.51.100.8"))
    pipeline.run()

    assert told(pipeline)[-1] == ("d", action, action == "alert")


def test_an_event_that_comes_late_is_degraded_for_longer() -> None:
    pipeline = with_a_gap()
    pipeline.run()
    pipeline.now += REACH
    pipeline.send(line("198.51.100.9", event_id="e", ago=-timedelta(hours=1)))
    pipeline.run()

    assert told(pipeline)[-1] == ("e", "alert", True)


def test_what_is_replayed_long_after_is_not_degraded() -> None:
    gap = Gap("lost", 2, 1_000_000_000, 1)
    years_ago = np.array([gap.at_ms * 1_000 - 700 * DAY], np.int64)
    arrived = np.array([gap.at_ms + 30 * DAY // 1_000], np.int64)

    assert not feels(gap, REACH, years_ago, arrived).any()


def test_records_before_a_gap_in_the_same_take_do_not_know_of_it() -> None:
    pipeline = Pipeline()
    pipeline.send(now(pipeline, "a"))
    pipeline.run()
    taken = pipeline.send(now(pipeline, "b"))
    pipeline.send(now(pipeline, "c"))
    pipeline.send(now(pipeline, "d"))
    log = MemoryLog(pipeline.broker, EVENTS)
    log.assign({0: taken.offset})
    [before, _, after] = log.take()
    pipeline.broker.delete_before(EVENTS, 0, after.offset)

    async def fold() -> None:
        worker, transport = await detecting(pipeline)
        await worker.process([before, after])
        while records := transport.take():
            await worker.process(records)
        await worker.settle()

    asyncio.run(fold())
    asyncio.run(pipeline.decide())

    assert told(pipeline) == [("a", "allow", False), ("b", "allow", False), ("d", "alert", True)]


def test_offsets_that_never_held_a_record_are_no_gap() -> None:
    pipeline = Pipeline()
    pipeline.send(now(pipeline, "a"))
    pipeline.run()
    pipeline.send(now(pipeline, "a transaction's end"))
    pipeline.send(now(pipeline, "c"))

    class Sparse(MemoryLog):
        async def next_offset(self, partition: int, offset: int) -> int:
            return 2 if offset == 1 else offset

    async def fold() -> None:
        worker, transport = await detecting(pipeline, Sparse)
        await worker.process(transport.take()[1:])
        await worker.settle()

    asyncio.run(fold())

    assert fence(pipeline.store).offset == 2
    assert fence(pipeline.store).gap is None


def test_a_lost_store_is_felt_where_the_log_does_not_reach_back() -> None:
    pipeline = Pipeline()
    for event_id in ("a", "b"):
        pipeline.send(now(pipeline, event_id))
    pipeline.run()
    pipeline.broker.delete_before(EVENTS, 0, 1)
    pipeline.store = MemoryStore()
    pipeline.now += timedelta(hours=1)
    pipeline.send(now(pipeline, "c"))
    pipeline.run()

    assert told(pipeline)[-1] == ("c", "alert", True)
    assert "the log does not reach back" in pipeline.outcomes(ACTIONS)[-1]["degraded"]
    gap = fence(pipeline.store).gap
    assert gap is not None
    assert (gap.cause, gap.offset, gap.records) == ("forgotten", 1, 1)


def test_a_lost_store_is_not_felt_where_the_log_reaches_back_far_enough() -> None:
    pipeline = Pipeline()
    for event_id in ("a", "b"):
        pipeline.send(now(pipeline, event_id))
    pipeline.run()
    pipeline.broker.delete_before(EVENTS, 0, 1)
    pipeline.store = MemoryStore()
    pipeline.now += REACH
    pipeline.send(now(pipeline, "c"))
    pipeline.run()

    assert told(pipeline) == [
        ("a", "allow", False),
        ("b", "allow", False),
        ("c", "allow", False),
    ]


def test_a_lost_store_and_a_whole_log_are_no_gap() -> None:
    pipeline = Pipeline()
    pipeline.send(now(pipeline, "a"))
    pipeline.run()
    pipeline.store, pipeline.fences = MemoryStore(), MemoryStore()
    pipeline.send(now(pipeline, "b"))
    pipeline.run()

    assert told(pipeline)[-1] == ("b", "allow", False)
    assert fence(pipeline.store).gap is None


def test_a_topic_made_again_is_felt_and_its_events_are_counted_apart() -> None:
    pipeline = Pipeline()
    pipeline.send(now(pipeline, "a"))
    pipeline.run()
    pipeline.broker.create(EVENTS, 1)
    pipeline.send(now(pipeline, "b"))
    pipeline.run()

    assert told(pipeline) == [("a", "allow", False), ("b", "alert", True)]
    after = fence(pipeline.store)
    assert (after.events, after.before) == (2, 1)
    assert after.gap is not None
    assert (after.gap.cause, after.gap.offset) == ("recreated", 0)


def test_a_gap_outlives_a_restart_and_a_crash_before_its_commit() -> None:
    pipeline = with_a_gap()

    async def crash() -> None:
        worker, transport = await detecting(pipeline)
        await worker.process(transport.take())  # emitted, and never committed

    asyncio.run(crash())
    pipeline.now += timedelta(minutes=1)
    pipeline.send(now(pipeline, "d"))
    pipeline.run()

    assert told(pipeline)[1:] == [("c", "alert", True), ("d", "alert", True)]


def test_an_attack_is_blocked_as_ever_and_says_that_it_is_degraded() -> None:
    pipeline = with_a_gap()
    pipeline.send(attack_line(event_id="x", occurred_at=pipeline.now.isoformat()))
    pipeline.run()

    answer = pipeline.outcomes(ACTIONS)[-1]
    assert answer["action"] == "block"
    assert answer["reasons"][0]["code"] != "degraded"
    assert "degraded" in answer
    assert ids([msgspec.json.decode(k.line) for k in pipeline.kept.kept.values()]) == [
        ("x", "decided")
    ]


def test_degraded_events_are_counted_by_both_stages() -> None:
    pipeline = with_a_gap()
    pipeline.run()

    for topic in (EVENTS, DECISIONS):
        labels = {"pack": "access", "stage": topic, "partition": "0"}
        metrics = pipeline.metrics[topic].registry
        assert metrics.get_sample_value("centinela_degraded_events_total", labels) == 1


def test_a_fence_of_before_is_read() -> None:
    stored = b'{"epoch":"e","offset":2,"revision":0,"decided":2,"duplicate":1,"late":1,"dead":2}'
    known = decode_fence(stored)

    assert known == Fence("e", 2, 0, 2, 1, 1, 2)
    assert known.events == 6


def policy(fail_mode: Action) -> Policy:
    own = PACK.policy
    return Policy(own.version, own.by_score, own.by_severity, own.ttl, fail_mode=fail_mode)


@pytest.mark.parametrize("fail_mode", list(Action))
def test_the_fail_mode_is_the_least_that_is_answered(fail_mode: Action) -> None:
    [ordinary, blocked] = answers(
        replace(event(B), degraded="why"),
        replace(attack(), degraded="why"),
        regime=Regime(policy(fail_mode)),
    )

    assert ordinary.action == fail_mode.name.lower()
    assert (ordinary.degraded, blocked.degraded, blocked.action) == ("why", "why", "block")
    assert [reason.code for reason in ordinary.reasons] == ["degraded"] * (fail_mode > 0)


def test_what_the_fail_mode_blocks_has_earned_nothing() -> None:
    [failed, later] = answers(
        replace(event(), degraded="why"),
        event(at=NOON + SECOND),
        regime=Regime(policy(Action.BLOCK)),
    )

    assert (failed.action, failed.ttl_s, later.action) == ("block", 4 * 3600, "allow")


def test_an_allow_entry_holds_all_the_same() -> None:
    listed = regime(Entry("allow", A, 0), policy=policy(Action.BLOCK))
    [answer] = answers(replace(event(), degraded="why"), regime=listed)

    assert (answer.action, answer.degraded) == ("allow", "why")


def test_a_rule_that_is_not_known_here_is_not_allowed_in_silence() -> None:
    [answer] = answers(attack(rule="of_the_next_release"))

    assert (answer.action, answer.degraded) == ("alert", UNKNOWN_RULE)


def test_lost_standings_are_felt_for_as_long_as_an_action_holds() -> None:
    assert longest_held(PACK.policy) == timedelta(days=7)
    assert longest_held(replace_holds(None)) == timedelta()

    lost = Fence("e", 4)
    assert gap_before(Record(0, 9, 1, b""), 5, lost) == Gap("lost", 9, 1, 4)


def replace_holds(holds: Action | None) -> Policy:
    own = PACK.policy
    return Policy(own.version, own.by_score, own.by_severity, own.ttl, holds)


def test_decisions_made_again_from_the_same_events_have_no_gap() -> None:
    pipeline = Pipeline()
    pipeline.send(now(pipeline, "a"))
    pipeline.run()
    pipeline.broker.create(DECISIONS, 1)
    pipeline.send(now(pipeline, "b"))
    pipeline.run()

    assert told(pipeline) == [("a", "allow", False), ("b", "allow", False)]
    assert fence(pipeline.fences).gap is None


def test_decisions_that_are_missing_have_one() -> None:
    pipeline = Pipeline()
    pipeline.send(now(pipeline, "a"))
    pipeline.run()
    pipeline.send(now(pipeline, "b"))
    asyncio.run(pipeline.detect())
    pipeline.broker.create(DECISIONS, 1)
    pipeline.send(now(pipeline, "c"))
    pipeline.run()

    assert told(pipeline)[-1] == ("c", "alert", True)
    assert "actions in force are incomplete" in pipeline.outcomes(ACTIONS)[-1]["degraded"]


def test_the_answer_to_a_caller_and_the_explanation_say_so() -> None:
    [taken] = answers(replace(event(), degraded="why"))
    told = explain(Answered(taken, "actions"), Judges(PACK, None, PACK.policy))
    shown = msgspec.json.decode(msgspec.json.encode(result_of(taken)))
    [usual] = answers(event())

    assert ("degraded", "why") in list(facts(told))
    assert (shown["degraded"], shown["action"]) == ("why", "alert")
    assert "degraded" not in msgspec.json.decode(msgspec.json.encode(result_of(usual)))
    assert b"degraded" not in msgspec.json.encode(usual)
