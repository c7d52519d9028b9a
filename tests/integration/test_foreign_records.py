"""Records of producers that are not ours: any size that the topic takes, any bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Producer

from producer.records import DEAD_LETTER, events_topic
from tests.integration.agents import (
    Agent,
    await_actions,
    running,
    start_afresh,
)
from tests.stacks import Stack
from tests.topics import read_topic

ATTACK = (
    b'{"occurred_at":"2026-01-01T00:00:00Z","client_ip":"198.51.100.9","method":"GET",'
    b'"path":"/../../etc/passwd","status":404}'
)
POISON = [
    b"",
    b"\n\n",
    b"\xff\xfe",
    b"[]",
    b"{}",
    b'{"occurred_at":1}',
    b"null",
    b"not json\n" + ATTACK,
    ATTACK.replace(b"404", b"1e999"),
    ATTACK.replace(b"404", b"99999999999999999999999"),
    ATTACK.replace(b"2026-01-01", b"2026-02-30"),
    ATTACK.replace(b"198.51.100.9", b""),
    ATTACK.replace(b"GET", b"\\ud800"),
]


@pytest.mark.timeout(300)
def test_the_largest_record_of_attacks_is_answered(stack: Stack, tmp_path: Path) -> None:
    start_afresh(stack)
    lines = 1_000_000 // (len(ATTACK) + 1)
    producer = Producer({"bootstrap.servers": stack.kafka, "message.max.bytes": 2_000_000})
    producer.produce(events_topic("access"), b"\n".join([ATTACK] * lines), partition=1)
    assert producer.flush(20) == 0
    with running(Agent("ingestion", stack, tmp_path), Agent("decision", stack, tmp_path)):
        (record,) = await_actions(stack.kafka, 1)[1]

    assert record.value.count(b'"action":"block"') == lines


@pytest.mark.timeout(300)
def test_poison_is_dead_lettered_and_the_next_record_is_decided(
    stack: Stack, tmp_path: Path
) -> None:
    start_afresh(stack)
    dead_before = sum(map(len, read_topic(stack.kafka, DEAD_LETTER)))
    producer = Producer({"bootstrap.servers": stack.kafka})
    for value in [*POISON, ATTACK]:
        producer.produce(events_topic("access"), value, partition=0)
    producer.produce(events_topic("access"), None, key=b"tombstone", partition=0)
    assert producer.flush(20) == 0
    with running(Agent("ingestion", stack, tmp_path), Agent("decision", stack, tmp_path)):
        records = await_actions(stack.kafka, len(POISON) + 2)[0]

    values = [record.value for record in records]
    assert values[:2] == [b"", b""]
    assert all(b'"outcome":"dead"' in value for value in values[2 : len(POISON)])
    assert values[len(POISON)].count(b'"action":"block"') == 1
    assert values[-1] == b""
    dead = sum(map(len, read_topic(stack.kafka, DEAD_LETTER))) - dead_before
    assert dead == len(POISON) - 2
