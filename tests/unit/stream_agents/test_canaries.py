"""Canaries through both stages: answered, not answered, and nobody else touched."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from models.errors import Unavailable
from producer.records import OutRecord
from stream_agents.audit_metrics import AuditMetrics
from stream_agents.auditor import every
from stream_agents.canaries import Canaries
from tests.unit.stream_agents.pipeline import EVENTS, PACK, Pipeline, attack

CLIENT = "203.0.113.254"


class IntoPipeline:
    """Sends into a pipeline in memory, and runs it unless it stands still."""

    def __init__(self, pipeline: Pipeline, *, runs: bool = True) -> None:
        self._pipeline = pipeline
        self._runs = runs
        # Each run is a process of its own: two at a time would answer everything twice.
        self._running = asyncio.Lock()

    async def send(self, records: Sequence[OutRecord]) -> None:
        for record in records:
            self._pipeline.broker.produce(
                record.topic, record.partition, record.value, record.headers
            )
        if self._runs:
            async with self._running:
                await self._pipeline.drain()


class Away:
    async def send(self, records: Sequence[OutRecord]) -> None:
        raise Unavailable("Kafka: no answer")


class Sending:
    """Canaries over a pipeline, with what they told."""

    def __init__(self, sender: IntoPipeline | Away, pipeline: Pipeline) -> None:
        self.metrics = AuditMetrics("access", 2, clock=lambda: 1_000.0)
        self.forgotten: list[str] = []
        pipeline.now = datetime.now(UTC)
        replies = pipeline.results.replies("auditor")
        self.replies = replies
        self._canaries = Canaries(PACK, 2, sender, replies, self.metrics, self._forget, 0.05)

    def round(self) -> None:
        asyncio.run(self._canaries.round())

    async def _forget(self, batch: str) -> None:
        self.forgotten.append(batch)

    def told(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, {"pack": "access", **labels})

    def results(self, result: str) -> list[float | None]:
        return [
            self.told("centinela_canaries_total", partition=str(partition), result=result)
            for partition in range(2)
        ]


def test_one_goes_through_each_partition_and_is_answered() -> None:
    pipeline = Pipeline(partitions=2)
    sending = Sending(IntoPipeline(pipeline), pipeline)
    sending.round()

    assert sending.results("answered") == [1, 1]
    assert sending.results("failed") == [0, 0]
    assert sending.told("centinela_canary_seconds_count") == 2
    assert sending.told("centinela_canary_success_timestamp_seconds", partition="1") == 1_000
    assert sorted(sending.forgotten) == sorted(pipeline.results.batches)
    assert sending.replies.waiting == 0


def test_an_agent_that_stands_still_is_noticed() -> None:
    pipeline = Pipeline(partitions=2)
    sending = Sending(IntoPipeline(pipeline, runs=False), pipeline)
    sending.round()

    assert sending.results("failed") == [1, 1]
    assert sending.told("centinela_canary_seconds_count") == 0
    assert sending.replies.waiting == 0


def test_a_log_that_takes_nothing_is_noticed() -> None:
    pipeline = Pipeline(partitions=2)
    sending = Sending(Away(), pipeline)
    sending.round()

    assert sending.results("failed") == [1, 1]
    assert sending.replies.waiting == 0


def test_a_canary_is_allowed_and_nobody_elses_features_know_of_it() -> None:
    alone, beside = Pipeline(partitions=2), Pipeline(partitions=2)
    for _ in range(3):
        Sending(IntoPipeline(beside), beside).round()
    alone.now = beside.now
    for pipeline in (alone, beside):
        pipeline.send(attack(event_id="a"), attack(event_id="b"), partition=1)
        pipeline.run()

    answers = [each for partition in range(2) for each in beside.outcomes(partition=partition)]
    ours = [each for each in answers if each["entity"] == CLIENT]
    assert {each["action"] for each in ours} == {"allow"}
    assert len(ours) == 6
    assert alone.outcomes(partition=1) == [each for each in answers if each["entity"] != CLIENT]
    assert {client for _, client in beside.store.states} == {CLIENT, "198.51.100.7"}
    assert CLIENT not in {each.event_id for each in beside.kept.kept.values()}
    assert set(beside.kept.kept) == {"a", "b"}


def test_a_canary_looks_like_any_event() -> None:
    pipeline = Pipeline(partitions=2)
    Sending(IntoPipeline(pipeline), pipeline).round()
    [record] = pipeline.broker.topics[EVENTS].partitions[0]

    assert record.value.startswith(b'{"occurred_at":"20')
    assert {name for name, _ in record.headers} == {"batch", "part", "reply"}


@pytest.mark.parametrize(("seconds", "looks"), [(0.0, 0), (0.001, 3)])
async def test_looks_go_on_whatever_is_away_and_never_where_none_are_wanted(
    seconds: float, looks: int
) -> None:
    looked = 0

    async def look() -> None:
        nonlocal looked
        looked += 1
        if looked == 3:
            raise asyncio.CancelledError
        raise Unavailable("Redis: no answer")

    with contextlib.suppress(asyncio.CancelledError):
        await every(seconds, look)

    assert looked == looks
