"""The client that API and agents write with, on a broker that stops and dies."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]

from models.errors import Unavailable
from producer.async_publisher import AsyncPublisher
from producer.records import OutRecord
from tests.faults.cluster import EVENTS, Cluster, Clusters
from tests.topics import read_topic

WITHIN_S = 60.0
PATIENCE_S = 4.0
"""Long enough to connect on a machine that is busy elsewhere."""


def slices(text: bytes, partitions: int) -> list[OutRecord]:
    return [OutRecord(EVENTS, partition, text) for partition in range(partitions)]


@pytest.mark.timeout(300)
def test_what_is_sent_together_is_fetched_together(clusters: Clusters) -> None:
    with clusters(0, 0) as cluster:
        fetched = asyncio.run(_fetched(cluster, batches=20))

    assert fetched == [set(range(cluster.partitions))] * 20


@pytest.mark.timeout(300)
def test_more_than_a_request_holds_stays_in_order(clusters: Clusters) -> None:
    large = [OutRecord(EVENTS, n % 2, b"%d" % n + b" " * 200_000) for n in range(40)]
    with clusters(0, 0) as cluster:
        asyncio.run(_send(cluster, large))
        logs = read_topic(cluster.kafka, EVENTS)

    for partition, log in enumerate(logs[:2]):
        assert [int(record.value) for record in log] == list(range(partition, 40, 2))


@pytest.mark.timeout(300)
def test_after_a_flight_that_failed_the_next_one_goes(clusters: Clusters) -> None:
    with clusters(0, 0) as cluster:
        asyncio.run(_send_beside_the_topic(cluster))
        logs = read_topic(cluster.kafka, EVENTS)

    assert [record.value for record in logs[0]] == [b"before", b"after"]


@pytest.mark.timeout(300)
def test_what_has_not_left_in_time_never_leaves(clusters: Clusters) -> None:
    with clusters(0, 0) as cluster:
        asyncio.run(_send_while_it_stands(cluster))
        logs = read_topic(cluster.kafka, EVENTS)

    for log in logs[:2]:
        written = [record.value for record in log]
        assert written[:2] == [b"before", b"under way"]
        assert set(written[2:]) == {b"after"}


@pytest.mark.timeout(300)
def test_a_broker_that_dies_makes_no_gap_and_no_repeat(clusters: Clusters) -> None:
    with clusters(0, 0) as cluster:
        asyncio.run(_send_while_it_dies(cluster, count=300))
        logs = read_topic(cluster.kafka, EVENTS)

    for log in logs[:2]:
        assert [record.value for record in log] == [b"%d" % number for number in range(300)]


async def _send(cluster: Cluster, records: list[OutRecord]) -> None:
    async with aclosing(AsyncPublisher(cluster.kafka)) as publisher:
        await publisher.send(records)


async def _send_beside_the_topic(cluster: Cluster) -> None:
    async with aclosing(AsyncPublisher(cluster.kafka)) as publisher:
        await publisher.send(slices(b"before", 1))
        with pytest.raises(Unavailable, match=f"{EVENTS} has no partition {cluster.partitions}"):
            await publisher.send(slices(b"beside", cluster.partitions + 1)[-1:])
        await publisher.send(slices(b"after", 1))


async def _fetched(cluster: Cluster, batches: int) -> list[set[int]]:
    """The partitions that each fetch saw, one slice of a batch on each."""
    partitions = [TopicPartition(EVENTS, p) for p in range(cluster.partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=cluster.kafka, fetch_max_wait_ms=10_000)
    await consumer.start()
    consumer.assign(partitions)
    await consumer.seek_to_end()
    fetched = []
    async with aclosing(AsyncPublisher(cluster.kafka)) as publisher:
        for number in range(batches):
            fetching = asyncio.ensure_future(consumer.getmany(timeout_ms=10_000))
            await asyncio.sleep(0.05)
            await publisher.send(slices(b"%d" % number, cluster.partitions))
            fetched.append({place.partition for place in await fetching})
    await consumer.stop()
    return fetched


async def _send_while_it_stands(cluster: Cluster) -> None:
    async with aclosing(AsyncPublisher(cluster.kafka, timeout_s=PATIENCE_S)) as publisher:
        await publisher.send(slices(b"before", 2))
        cluster.broker.stop()
        first = asyncio.ensure_future(publisher.send(slices(b"under way", 2)))
        await asyncio.sleep(0.3)
        for late in (publisher.send(slices(b"waiting", 2)), first):
            with pytest.raises(Unavailable, match=f"no answer within {PATIENCE_S:g} s"):
                await late
        cluster.broker.cont()
        async with asyncio.timeout(WITHIN_S):
            while not await _is_sent(publisher, slices(b"after", 2)):
                await asyncio.sleep(0.1)


async def _send_while_it_dies(cluster: Cluster, count: int) -> None:
    async with aclosing(AsyncPublisher(cluster.kafka, timeout_s=WITHIN_S)) as publisher:
        sending = asyncio.create_task(_send_all(publisher, count))
        for _ in range(2):
            await asyncio.sleep(0.5)
            cluster.broker.kill()
            await asyncio.sleep(0.5)
            await asyncio.to_thread(cluster.broker.start)
        await sending


async def _send_all(publisher: AsyncPublisher, count: int) -> None:
    for number in range(count):
        await publisher.send(slices(b"%d" % number, 2))
        await asyncio.sleep(0.01)


async def _is_sent(publisher: AsyncPublisher, records: list[OutRecord]) -> bool:
    try:
        await publisher.send(records)
    except Unavailable:
        return False
    return True
