"""What a stage tells Prometheus, as a scrape sees it."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from feature_store.fence import Fence
from models.contracts import Outcome
from producer.records import OutRecord, Record
from stream_agents.metrics import ALARMS, VERSION, StageMetrics
from stream_agents.stage import Folded, Tally
from tests.unit.stream_agents.pipeline import (
    DECISIONS,
    EVENTS,
    LONGEST,
    MICROSECOND,
    Pipeline,
    line,
)

PYPROJECT = Path(__file__).resolve().parents[3] / "pyproject.toml"
NOW_S = 1_000.0


def stage_metrics() -> StageMetrics:
    return StageMetrics("access", "test", 4, clock=lambda: NOW_S)


def scraped(metrics: StageMetrics, name: str, **labels: object) -> float | None:
    """One sample; None where there is none."""
    [fixed] = (
        sample.labels
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "centinela_topic_partitions"
    )
    wanted = {**fixed, **{label: str(value) for label, value in labels.items()}}
    return metrics.registry.get_sample_value(name, wanted)


def mixed() -> Pipeline:
    """A partition with one event of each outcome, after a blank line, and one with an event."""
    pipeline = Pipeline(partitions=2)
    pipeline.send(b"", line(event_id="a"), b"not json", line(event_id="a"))
    pipeline.send(line(event_id="b", ago=LONGEST + MICROSECOND))
    pipeline.send(line(), partition=1)
    return pipeline


@pytest.mark.parametrize("topic", [EVENTS, DECISIONS])
def test_the_books_of_each_stage_and_partition_balance(topic: str) -> None:
    pipeline = mixed()
    pipeline.run()
    metrics = pipeline.metrics[topic]

    assert scraped(metrics, "centinela_events_read_total", partition=0) == 4
    assert scraped(metrics, "centinela_events_read_total", partition=1) == 1
    for outcome in Outcome:
        total = scraped(metrics, "centinela_fence_events_total", partition=0, outcome=outcome)
        assert total == 1
    for ended in ("duplicate", "late", "dead"):
        labels = {"partition": 0, "outcome": ended, "action": ""}
        assert scraped(metrics, "centinela_events_total", **labels) == 1


def test_an_event_without_an_outcome_unbalances_the_books() -> None:
    metrics = stage_metrics()
    metrics.taken_over(0, Fence("epoch"))
    answer = OutRecord("out", 0, b"", (("source-offset", b"0"),))

    metrics.folded(
        [Record(0, 0, 0, b"a\nb\nc")], Folded([answer], {}, [Tally(0, Outcome.DEAD, "", 2)])
    )

    assert scraped(metrics, "centinela_events_read_total", partition=0) == 3
    assert scraped(metrics, "centinela_events_total", partition=0, outcome="dead", action="") == 2


def test_totals_outlive_the_process_that_counted_them() -> None:
    pipeline = mixed()
    pipeline.run()
    pipeline.metrics[EVENTS] = StageMetrics("access", EVENTS, 2)
    pipeline.run()

    metrics = pipeline.metrics[EVENTS]
    assert scraped(metrics, "centinela_fence_events_total", partition=0, outcome="dead") == 1
    assert scraped(metrics, "centinela_events_total", partition=0, outcome="dead", action="") == 0


def test_what_a_crashed_stage_emitted_again_counts_as_a_repeat_and_not_as_read() -> None:
    pipeline = Pipeline()
    pipeline.send(line(event_id="a"), line(event_id="b"))
    asyncio.run(pipeline.detect())
    topic = pipeline.broker.topics[DECISIONS].partitions[0]
    pipeline.broker.produce(DECISIONS, 0, topic[0].value, topic[0].headers)
    asyncio.run(pipeline.decide())

    metrics = pipeline.metrics[DECISIONS]
    assert scraped(metrics, "centinela_repeated_records_total", partition=0) == 1
    assert scraped(metrics, "centinela_events_read_total", partition=0) == 2


def buckets(metrics: StageMetrics) -> Mapping[str, float | None]:
    return {
        bound: scraped(metrics, "centinela_latency_seconds_bucket", le=bound)
        for bound in ("0.5", "1.0", "2.0", "5.0", "10.0", "+Inf")
    }


def test_latency_is_by_event_and_the_last_stages_from_end_to_end() -> None:
    pipeline = Pipeline()
    pipeline.send(line(event_id="a"), line(event_id="b"))
    pipeline.now += timedelta(seconds=2)
    asyncio.run(pipeline.detect())
    pipeline.now += timedelta(seconds=2.5)
    asyncio.run(pipeline.decide())

    first = {"0.5": 0, "1.0": 0, "2.0": 2, "5.0": 2, "10.0": 2, "+Inf": 2}
    assert buckets(pipeline.metrics[EVENTS]) == first
    assert scraped(pipeline.metrics[EVENTS], "centinela_latency_seconds_sum") == 4
    assert buckets(pipeline.metrics[DECISIONS]) == {**first, "2.0": 0}
    assert scraped(pipeline.metrics[DECISIONS], "centinela_latency_seconds_sum") == 9


def test_a_record_from_the_future_takes_no_time() -> None:
    pipeline = Pipeline()
    pipeline.send(line())
    pipeline.now -= timedelta(seconds=2)
    asyncio.run(pipeline.detect())

    assert scraped(pipeline.metrics[EVENTS], "centinela_latency_seconds_sum") == 0


PER_PARTITION = (
    "centinela_fence_offset",
    "centinela_fence_moved_timestamp_seconds",
    "centinela_fence_record_timestamp_seconds",
    "centinela_lag_records",
)


def test_of_a_partition_that_has_left_nothing_is_told() -> None:
    metrics = stage_metrics()
    for partition in (0, 1):
        metrics.taken_over(partition, Fence("epoch", offset=7))
        metrics.folded([Record(partition, 8, 5_000, b"a")], Folded([], {}))
    metrics.lag({0: 3, 1: 4})
    metrics.left(0)

    assert [scraped(metrics, name, partition=0) for name in PER_PARTITION] == [None] * 4
    assert [scraped(metrics, name, partition=1) for name in PER_PARTITION] == [7, NOW_S, 5, 4]


def test_lag_that_cannot_be_asked_is_not_told() -> None:
    metrics = stage_metrics()
    metrics.taken_over(0, Fence("epoch"))
    metrics.lag({0: 3})
    metrics.lag({})

    assert scraped(metrics, "centinela_lag_records", partition=0) is None


def test_only_what_is_committed_moves_the_fence() -> None:
    metrics = stage_metrics()
    metrics.taken_over(0, Fence("epoch", offset=7))
    metrics.folded([Record(0, 8, 0, b"a")], Folded([], {}))
    before = scraped(metrics, "centinela_fence_offset", partition=0)
    metrics.committed(0, Fence("epoch", offset=8))

    assert before == 7
    assert scraped(metrics, "centinela_fence_offset", partition=0) == 8


def test_alarms_and_outcomes_are_there_before_the_first() -> None:
    metrics = stage_metrics()
    metrics.taken_over(2, Fence("epoch"))

    assert {scraped(metrics, "centinela_alarms_total", kind=kind) for kind in ALARMS} == {0.0}
    for outcome in ("duplicate", "late", "dead"):
        name = "centinela_events_total"
        assert scraped(metrics, name, partition=2, outcome=outcome, action="") == 0


def test_the_version_told_is_the_projects() -> None:
    declared = tomllib.loads(PYPROJECT.read_text())["project"]["version"]

    exposed = generate_latest(stage_metrics().registry).decode()

    assert declared == VERSION
    assert f'version="{declared}"' in exposed


def test_each_process_tells_its_cpu_and_memory_and_nothing_in_vain() -> None:
    exposed = generate_latest(stage_metrics().registry).decode()

    assert "process_cpu_seconds_total" in exposed
    assert "process_resident_memory_bytes" in exposed
    assert "_created" not in exposed
