"""Who calls the API, and who writes to the topics past it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import httpx
from confluent_kafka import KafkaError, Message, Producer

from tests.faults.cluster import EVENTS, Cluster

Headers = Sequence[tuple[str, bytes | None]]
NDJSON = {"Content-Type": "application/x-ndjson"}


@contextmanager
def caller(cluster: Cluster) -> Iterator[httpx.Client]:
    """A client of the cluster's API."""
    limits = httpx.Limits(max_connections=200)
    with httpx.Client(base_url=cluster.api_url, timeout=40, limits=limits) as client:
        yield client


class Stranger:
    """A producer that is not ours: any bytes, any headers, compressed or not.

    Args:
        compression: As Kafka's clients name it.
    """

    def __init__(self, cluster: Cluster, compression: str = "none") -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": cluster.kafka,
                "message.max.bytes": 500_000_000,
                "queue.buffering.max.kbytes": 1_000_000,
                "compression.type": compression,
                "linger.ms": 1,
            }
        )

    def write(
        self,
        values: Iterable[bytes | None],
        partition: int,
        topic: str = EVENTS,
        headers: Headers = (),
    ) -> list[KafkaError | tuple[int, int]]:
        """For each value its partition and offset, or why it was refused."""
        told: list[KafkaError | tuple[int, int]] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            told.append(error or (partition, message.offset() or 0))

        for value in values:
            self._producer.produce(
                topic,
                value,
                partition=partition,
                headers=list(headers),
                on_delivery=delivered,
            )
            self._producer.poll(0)
        assert self._producer.flush(120) == 0
        return told
