"""K: what happens to the broker and its topics."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition

from producer.topics import ensure_topics
from tests.faults import ledger
from tests.faults.catalogue import Outcome, fault
from tests.faults.cluster import ACTIONS, DECISIONS, EVENTS, PACK, Cluster, Clusters
from tests.faults.journal import Producer
from tests.faults.oracle import Epoch
from tests.faults.process_faults import RATE
from tests.faults.processes import http_status
from tests.faults.redis_faults import recover
from tests.faults.supervising import supervised
from tests.topics import admin_client, delete_topics

REFUSED_WITHIN_S = 3.0
STABLE_WITHIN_S = 15.0
GROUPS = {"ingestion": EVENTS, "decision": DECISIONS}


@dataclass(frozen=True, slots=True)
class Answer:
    """Of the API: the status, and how long it took."""

    status: int
    seconds: float
    body: Any


def analyze(cluster: Cluster, name: str, events: int = 20) -> Answer:
    """POST a batch of new events."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    batch = [
        {
            "event_id": f"{name}-{number}",
            "occurred_at": at,
            "client_ip": f"198.51.100.{number}",
            "method": "GET",
            "path": "/",
            "status": 200,
        }
        for number in range(events)
    ]
    request = Request(
        f"{cluster.api_url}/analyze",
        json.dumps({"events": batch}).encode(),
        {"Content-Type": "application/json", "Prefer": "wait=5"},
    )
    asked = time.monotonic()
    try:
        with urlopen(request, timeout=40) as answer:
            return Answer(answer.status, time.monotonic() - asked, json.load(answer))
    except HTTPError as error:
        return Answer(error.code, time.monotonic() - asked, json.load(error))


@fault(
    "K1",
    "the broker killed with -9, away for 5 s, once for 60 s",
    passes="acknowledged events are on the log; the API answers 503; state exact",
    times=5,
    quick=1,
)
def kill_broker(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome, slowest_s = Outcome(), 0.0
    with (
        clusters(with_api=True) as cluster,
        supervised(cluster) as watch,
        Producer(cluster.kafka, rate=RATE, seed=chance.randrange(10**6)) as producer,
    ):
        for number in range(times):
            time.sleep(chance.uniform(0.5, 2.0))
            cluster.broker.kill()
            away = time.monotonic()
            refused = analyze(cluster, f"away-{number}")
            slowest_s = max(slowest_s, refused.seconds)
            outcome.require(refused.status == 503, f"the API said {refused.status}")
            long = times > 1 and number == times - 1
            time.sleep(max(0.0, (60.0 if long else 5.0) - (time.monotonic() - away)))
            cluster.broker.start()
            recover(cluster, outcome, 120)
        outcome.require(analyze(cluster, "back").status == 200, "the API does not answer again")
        producer.stop()
        outcome.add(ledger.check(cluster, producer.journal))
        outcome.figures["workers that ended themselves"] = len(watch.ends)
    outcome.figures["slowest 503, s"] = slowest_s
    assert outcome.verdict is not None
    outcome.figures["events neither acknowledged nor refused"] = outcome.verdict.ambiguous
    return outcome


@fault(
    "K2",
    "the broker away when the API starts",
    passes="it starts; `/readyz` says 503, `POST /analyze` 503 within 3 s; later as ever",
    times=2,
)
def start_without_broker(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    with clusters(1, 1) as cluster:
        for number in range(times):
            cluster.broker.kill()
            cluster.add_api()
            assert cluster.api is not None
            _await_status(f"{cluster.api_url}/livez", 200)
            outcome.require(http_status(f"{cluster.api_url}/readyz") == 503, "/readyz is not red")
            refused = analyze(cluster, f"early-{number}")
            outcome.require(refused.status == 503, f"the API said {refused.status}")
            outcome.require(refused.seconds < REFUSED_WITHIN_S, f"after {refused.seconds:.1f} s")
            cluster.broker.start()
            _await_status(f"{cluster.api_url}/readyz", 200)
            recover(cluster, outcome)
            given = analyze(cluster, f"later-{number}")
            outcome.require(given.status == 200, f"later it said {given.status}: {given.body}")
            cluster.api.end()
        outcome.add(ledger.check(cluster))
    return outcome


def _await_status(url: str, status: int) -> None:
    deadline = time.monotonic() + 60
    while (said := http_status(url)) != status:
        assert time.monotonic() < deadline, f"{url} says {said}"
        time.sleep(0.1)


@fault(
    "K3",
    "rebalances: 1 to 2 to 1, 1 to 4 to 1 workers, then one coming and going every 5 s",
    passes="nothing missing, nothing twice; answers within 15 s of each change",
    times=14,
)
def rebalance(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    with (
        clusters(1, 1) as cluster,
        Producer(cluster.kafka, rate=RATE, seed=chance.randrange(10**6)) as producer,
    ):
        _grow_and_shrink(cluster, 1, outcome)
        if times > 2:
            _grow_and_shrink(cluster, 3, outcome)
        guest = cluster.worker("ingestion", 1)
        while outcome.times < times:
            guest.start()
            _stable(cluster, outcome)
            time.sleep(max(0.0, 5.0 - outcome.recovery_s[-1]))
            outcome.require(guest.term() == 0, guest.last_words())
            _stable(cluster, outcome)
            time.sleep(max(0.0, 5.0 - outcome.recovery_s[-1]))
        producer.stop()
        outcome.add(ledger.check(cluster, producer.journal))
    worst = max(outcome.recovery_s)
    outcome.require(worst < STABLE_WITHIN_S, f"answers again after {worst:.1f} s")
    return outcome


def _grow_and_shrink(cluster: Cluster, by: int, outcome: Outcome) -> None:
    """Add workers at once, then end them one after the other."""
    guests = cluster.workers["ingestion"][1:]
    while len(guests) < by:
        guests.append(cluster.add_worker("ingestion", start=False))
    for guest in guests:
        guest.start(wait=False)
    for guest in guests:
        guest.await_healthy()
    _stable(cluster, outcome)
    for guest in guests:
        outcome.require(guest.term() == 0, guest.last_words())
        _stable(cluster, outcome)


def _stable(cluster: Cluster, outcome: Outcome) -> None:
    """Until what comes after a change is answered too."""
    changed = time.monotonic()
    time.sleep(0.5)
    cluster.await_answered(cluster.ends())
    outcome.recovery_s.append(time.monotonic() - changed)
    outcome.times += 1


@fault(
    "K4",
    "the groups' offsets reset to the earliest",
    passes="no record answered again; state unchanged",
    times=3,
    quick=1,
)
def reset_offsets(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    with clusters() as cluster:
        producer = Producer(cluster.kafka, seed=chance.randrange(10**6))
        for _ in range(times):
            producer.send_next(3_000)
            producer.flush()
            cluster.await_settled()
            for worker in cluster.processes:
                outcome.require(worker.term() == 0, worker.last_words())
            before = (cluster.ends(DECISIONS), cluster.ends(ACTIONS))
            _reset_groups(cluster)
            for worker in cluster.processes:
                worker.start(wait=False)
            cluster.await_healthy()
            recover(cluster, outcome)
            time.sleep(1.0)
            after = (cluster.ends(DECISIONS), cluster.ends(ACTIONS))
            outcome.require(before == after, f"answered again: {before} became {after}")
        producer.stop()
        outcome.add(ledger.check(cluster, producer.journal))
    assert outcome.verdict is not None
    outcome.require(outcome.verdict.repeats == 0, f"{outcome.verdict.repeats} records repeated")
    return outcome


def _reset_groups(cluster: Cluster) -> None:
    admin = admin_client(cluster.kafka)
    for stage, topic in GROUPS.items():
        start = [TopicPartition(topic, p, 0) for p in range(cluster.partitions)]
        wanted = ConsumerGroupTopicPartitions(f"centinela-{PACK}-{stage}", start)
        _patiently(partial(admin.alter_consumer_group_offsets, [wanted]))


def _patiently(ask: Callable[[], Mapping[str, Any]]) -> None:
    """Until the broker does it: a group has members until the session of the last has ended."""
    deadline = time.monotonic() + 30
    while True:
        try:
            for future in ask().values():
                future.result()
            return
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


@fault(
    "K5",
    "the log trimmed beyond what was folded",
    passes="an alarm, the gap told to the exact record; the rest goes on",
    times=3,
)
def trim_log(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    for _ in range(times):
        with clusters() as cluster:
            producer = Producer(cluster.kafka, seed=chance.randrange(10**6))
            producer.send_next(3_000)
            producer.flush()
            cluster.await_settled()
            for worker in cluster.processes:
                worker.term()
            folded = ledger.epoch_of(cluster)
            for _ in range(5):
                producer.send_next(500)
                producer.flush()
            deleted = _trim(cluster, chance)
            for worker in cluster.processes:
                worker.start(wait=False)
            cluster.await_healthy()
            producer.send_next(2_000)
            producer.stop()
            outcome.add(ledger.check(cluster, before=[folded]))
            outcome.times += 1
            told = _told_gaps(cluster)
            outcome.require(told == deleted, f"deleted {deleted}, told {told}")
    return outcome


def _trim(cluster: Cluster, chance: random.Random) -> dict[int, int]:
    """Delete some records that nobody has read; returns how many by partition."""
    fences, ends = cluster.fences("ingestion"), cluster.ends()
    deleted = {}
    for partition, fence in fences.items():
        unread = ends[partition] - fence.offset - 1
        if unread > 1 and chance.random() < 0.7:
            deleted[partition] = chance.randrange(1, unread)
    until = [TopicPartition(EVENTS, p, fences[p].offset + 1 + n) for p, n in deleted.items()]
    admin = admin_client(cluster.kafka)
    for future in admin.delete_records(until).values() if until else ():
        future.result()
    return deleted


def _told_gaps(cluster: Cluster) -> dict[int, int]:
    """Records missing by partition, as the ingestion workers' logs say."""
    told: dict[int, int] = {}
    for worker in cluster.workers["ingestion"]:
        for line in worker.said().splitlines():
            said = _json_of(line)
            if said.get("event") == "gap in the log":
                told[said["partition"]] = said["next_in_log"] - said["expected"]
    return told


def _json_of(line: str) -> Mapping[str, Any]:
    with suppress(ValueError):
        said = json.loads(line)
        return said if isinstance(said, dict) else {}
    return {}


@fault(
    "K6",
    "the broker frozen until the API's queue and patience are full",
    passes="every caller is told 503; sent again with the same ids, each event is decided once",
    times=20,
)
def freeze_broker(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome, slowest_s = Outcome(), 0.0
    with clusters(with_api=True) as cluster:
        cluster.broker.stop()
        refused = [analyze(cluster, f"batch-{number}", 100) for number in range(times)]
        cluster.broker.cont()
        statuses = {answer.status for answer in refused}
        slowest_s = max(answer.seconds for answer in refused)
        outcome.require(statuses == {503}, f"the API said {statuses}")
        _await_status(f"{cluster.api_url}/readyz", 200)
        again = [analyze(cluster, f"batch-{number}", 100) for number in range(times)]
        said = {answer.status for answer in again}
        outcome.require(said <= {200, 202}, f"sent again, the API said {said}")
        recover(cluster, outcome)
        outcome.add(ledger.check(cluster))
        decided = sum(fence.decided for fence in cluster.fences("ingestion").values())
        outcome.require(decided == 100 * times, f"{decided} of {100 * times} decided")
    outcome.times = times
    outcome.figures["slowest 503, s"] = slowest_s
    outcome.note = "a queue that is full: `tests/unit/api/test_full_queue.py`"
    return outcome


@fault(
    "K7",
    "a topic with other partitions than set; a topic missing; more workers than partitions",
    passes="the start names it and ends; the topic is made; the idle worker is healthy",
    times=3,
)
def start_amiss(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome(times=3)
    with clusters(3, 1, partitions=2) as cluster:
        wrong = cluster.add_worker("ingestion", environment={"CENTINELA_PARTITIONS": "3"})
        code = wrong.wait(60)
        expected = f"topic {EVENTS}: must have 3 partitions as set, got 2"
        outcome.require(code == 1, f"it ended with {code}")
        outcome.require(expected in wrong.said(), f"it said {wrong.last_words()}")
        cluster.workers["ingestion"].remove(wrong)
        producer = Producer(cluster.kafka, seed=chance.randrange(10**6), partitions=2)
        producer.send_next(2_000)
        producer.stop()
        outcome.add(ledger.check(cluster, producer.journal))
    with clusters(0, 0) as cluster:
        admin = admin_client(cluster.kafka)
        delete_topics(admin, {EVENTS, DECISIONS, ACTIONS})
        cluster.add_worker("ingestion")
        cluster.add_worker("decision")
        cluster.await_healthy()
        producer = Producer(cluster.kafka, seed=chance.randrange(10**6))
        producer.send_next(2_000)
        producer.stop()
        outcome.add(ledger.check(cluster, producer.journal))
    return outcome


@fault(
    "K8",
    "the events topic deleted and made again, workers ended or running",
    passes="an alarm; the new log is folded from its beginning onto what was known",
    times=4,
    quick=1,
)
def remake_topic(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    for number in range(times):
        outcome.add(_remade(clusters, chance, number % 2 == 0, outcome))
    return outcome


def _remade(
    clusters: Clusters, chance: random.Random, is_live: bool, outcome: Outcome
) -> ledger.Verdict:
    with clusters() as cluster, supervised(cluster) as watch:
        _publish(cluster, chance.randrange(10**6), 3_000)
        cluster.await_settled()
        before: list[Epoch] = [ledger.epoch_of(cluster)]
        if not is_live:
            watch.spared |= {worker.name for worker in cluster.processes}
            for worker in cluster.processes:
                worker.term()
        delete_topics(admin_client(cluster.kafka), {EVENTS})
        ensure_topics(cluster.kafka, PACK, cluster.partitions)
        watch.spared.clear()
        journal = _publish(cluster, chance.randrange(10**6), 4_000)
        ends = cluster.ends()
        taken_up_s = cluster.await_epoch()
        outcome.recovery_s.append(taken_up_s + cluster.await_answered(ends))
        outcome.times += 1
        return ledger.check(cluster, journal.journal, before=before)


def _publish(cluster: Cluster, seed: int, events: int) -> Producer:
    producer = Producer(cluster.kafka, seed=seed)
    producer.send_next(events)
    producer.stop()
    return producer
