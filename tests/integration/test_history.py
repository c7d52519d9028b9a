"""A pack's own topic as a dataset: what was published is what is learned from."""

from __future__ import annotations

import uuid
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from models.dataset import Labels, dataset_of, simulated
from models.errors import InvalidSource
from models.pack import DomainPack
from models.packs.access import PACK
from producer.history import of_topic
from producer.publisher import Publisher, records_of
from producer.records import events_topic
from producer.retained import KafkaRetained
from producer.topics import ensure_topics
from tests.stacks import Stack

SEED, EVENTS, PARTITIONS = 5, 1_000, 3


@pytest.fixture
def pack(stack: Stack) -> DomainPack:
    """The access pack under a name whose topics no other test has used."""
    named = replace(PACK, name=f"history-{uuid.uuid4().hex[:8]}")
    ensure_topics(stack.kafka, named.name, PARTITIONS)
    return named


def publish(kafka: str, pack: DomainPack) -> None:
    encode = msgspec.json.Encoder().encode
    events = [event for event, _ in pack.simulate(SEED, EVENTS)]
    lines = ((event.event_id, pack.entity(event), encode(event)) for event in events)
    with Publisher(kafka) as publisher:
        for record in records_of(pack.name, lines, PARTITIONS):
            publisher.put(record, lambda error, message: None)


def test_a_topic_gives_the_events_and_features_that_were_published(
    stack: Stack, pack: DomainPack
) -> None:
    publish(stack.kafka, pack)
    retained = KafkaRetained(stack.kafka, events_topic(pack.name))
    history = of_topic(retained, pack)
    retained.close()
    data = dataset_of(pack, history.arrivals, history.name, Labels())
    expected = simulated(pack, SEED, EVENTS)

    assert (history.unreadable, data.skipped) == (0, 0)
    assert sorted(data.event.at) == sorted(expected.event.at)
    for name in pack.features.names:
        mine, theirs = getattr(data.feature, name), getattr(expected.feature, name)
        np.testing.assert_array_equal(np.sort(mine), np.sort(theirs))


def test_a_topic_that_is_not_there_is_named(stack: Stack) -> None:
    retained = KafkaRetained(stack.kafka, "events.nowhere")

    with pytest.raises(InvalidSource, match="events.nowhere"):
        of_topic(retained, PACK)
    retained.close()
