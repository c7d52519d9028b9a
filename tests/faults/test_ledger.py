"""That the books notice: a check that finds nothing wrong anywhere would prove nothing."""

from __future__ import annotations

import dataclasses
from hashlib import sha256

import pytest

from producer.publisher import Publisher
from producer.records import OutRecord
from tests.faults import ledger
from tests.faults.cluster import ACTIONS, Cluster, Clusters
from tests.faults.journal import Journal, Producer, Sent
from tests.topics import read_topic

EVENTS_SENT = 1_500


@pytest.mark.timeout(600)
def test_whatever_is_amiss_is_counted(clusters: Clusters) -> None:
    with clusters(1, 1) as cluster:
        producer = Producer(cluster.kafka, seed=5)
        producer.send_next(EVENTS_SENT)
        producer.stop()
        clean = ledger.check(cluster, producer.journal)
        for worker in cluster.processes:
            worker.term()
        _spoil_a_state(cluster)
        _repeat_an_answer_with_other_bytes(cluster)
        spoilt = ledger.check(cluster, _with_one_more(producer.journal))

    assert clean.is_balanced
    assert clean.events >= EVENTS_SENT
    assert spoilt.errors == {"lost": 1, "visible_duplicates": 1, "state_errors": 1}
    assert spoilt.repeats == clean.repeats + 1


@pytest.mark.timeout(600)
def test_an_answer_that_never_came_is_missing(clusters: Clusters) -> None:
    with clusters(1, 1) as cluster:
        producer = Producer(cluster.kafka, seed=6)
        producer.send_next(EVENTS_SENT)
        producer.stop()
        cluster.await_settled()
        life = ledger.epoch_of(cluster)
        found, _ = ledger.found_by(cluster, life)
        whole = dict(found.actions)
        unanswered = next(iter(whole))
        del whole[unanswered]

    lines = list(ledger.missing_of(life, whole))
    assert lines
    assert {line.rpartition("-")[0] for line in lines} == {"{}-{}".format(*unanswered)}


def _spoil_a_state(cluster: Cluster) -> None:
    _, keys = cluster.redis.call("SCAN", 0, "MATCH", "feature:{access.*}:client:1*", "COUNT", 1000)
    cluster.redis.call("SETRANGE", keys[0], 0, b"\xff")


def _repeat_an_answer_with_other_bytes(cluster: Cluster) -> None:
    """Only the fence of the decisions, which counts no repeats, may stay as it is."""
    answer = next(record for log in read_topic(cluster.kafka, ACTIONS) for record in log)
    spoilt = answer.value.replace(b'"outcome"', b'"Outcome"', 1)
    with Publisher(cluster.kafka) as publisher:
        record = OutRecord(ACTIONS, answer.partition, spoilt, answer.headers)
        publisher.put(record, lambda error, _: None)
        publisher.flush(10)


def _with_one_more(journal: Journal) -> Journal:
    """As if the broker had acknowledged a record that it has not."""
    never = Sent(("never",), sha256(b"never").digest(), 0, 10**6)
    return dataclasses.replace(journal, acked=[*journal.acked, never])
