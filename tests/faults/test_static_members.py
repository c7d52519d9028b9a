"""That an agent which comes back is not given what it had of another topic."""

from __future__ import annotations

import pytest

from tests.faults.cluster import Clusters
from tests.faults.journal import Producer

EVENTS_SENT = 500
WITHIN_S = 30.0


@pytest.mark.timeout(300)
def test_a_topic_made_again_with_more_partitions_is_read_whole(clusters: Clusters) -> None:
    """Kafka gives a static member its old partitions back, where it returns soon enough."""
    with clusters(1, 1, partitions=2) as cluster:
        cluster.await_healthy()
    with clusters(1, 1) as cluster:
        producer = Producer(cluster.kafka, seed=3)
        producer.send_next(EVENTS_SENT)
        producer.stop()

        cluster.await_settled(WITHIN_S)
