"""T: clocks that are wrong, and times of long ago."""

from __future__ import annotations

import json
import random
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from urllib.request import Request, urlopen

from producer.records import Record
from tests.faults import clock, ledger
from tests.faults.catalogue import Outcome, fault
from tests.faults.cluster import EVENTS, Cluster, Clusters
from tests.faults.commands import centinela
from tests.faults.events import answers, request
from tests.faults.journal import Line, Producer
from tests.faults.states import features_of
from tests.topics import read_topic

RATE = 400.0
HOUR = timedelta(hours=1)
STEP_S = 600


@fault(
    "T5",
    "the clocks of workers and API jump by up to ten minutes, in different time zones",
    passes="books balance, no latency is negative, the hour that clocks show twice is told apart",
    times=20,
)
def clocks(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    with clusters(0, 0) as cluster:
        moved = [clock.clock(cluster.folder / of) for of in ("workers", "api")]
        workers, api = moved
        if workers is None or api is None:
            return Outcome.not_applicable("no C compiler (cc) on this machine")
        _start_on(cluster, workers, api)
        with Producer(cluster.kafka, rate=RATE, seed=chance.randrange(10**6)) as producer:
            for number in range(times):
                for each in (workers, api):
                    each.move_to(chance.randint(-STEP_S, STEP_S))
                _ask(cluster, f"clock-{number}")
                time.sleep(chance.uniform(0.3, 1.0))
                outcome.times += 1
            producer.send(list(_odd_times()))
            producer.stop()
            outcome.add(ledger.check(cluster, producer.journal))
        _require_sane_times(outcome, cluster)
    return outcome


@fault(
    "T6",
    "a log of 2019 is replayed",
    passes="Kafka's record time is now, event time is 2019, retention takes nothing",
    times=2,
)
def old_log(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    with clusters() as cluster:
        for number in range(times):
            log = cluster.folder / f"{number}.log"
            log.write_text("".join(_log_lines(chance, number)))
            began_ms = time.time_ns() // 1_000_000
            replayed = centinela(cluster, "replay", str(log))
            outcome.require(replayed.returncode == 0, replayed.stdout + replayed.stderr)
            verdict = ledger.check(cluster)
            outcome.add(verdict)
            _require_recorded_now(outcome, read_topic(cluster.kafka, EVENTS), began_ms)
            outcome.times += 1
        ended = Counter(answer.outcome for answer in answers(cluster))
        outcome.require(ended == {"decided": 500 * times}, f"outcomes: {dict(ended)}")
    return outcome


def _start_on(cluster: Cluster, workers: clock.Clock, api: clock.Clock) -> None:
    """Workers and API under clocks that can be moved, each worker in a time zone of its own."""
    zones = iter(("America/New_York", "Asia/Kathmandu", "Europe/Madrid", "Pacific/Apia"))
    for stage in ("ingestion", "decision"):
        for _ in range(2):
            cluster.add_worker(stage, environment={**workers.environment, "TZ": next(zones)})
    cluster.add_api(environment={**api.environment, "CENTINELA_WAIT_S": "10"})
    cluster.await_healthy()


def _ask(cluster: Cluster, batch: str) -> None:
    """A batch whose way the workers log, with its latency; old enough for any of the clocks."""
    at = datetime.now(UTC) - HOUR
    lines = [request(f"{batch}-{n}", f"{batch}-{n}", at)[2] for n in range(8)]
    headers = {"Content-Type": "application/x-ndjson", "X-Request-ID": batch}
    asked = Request(f"{cluster.api_url}/analyze", b"\n".join(lines), headers)
    with urlopen(asked, timeout=30) as answer:
        assert answer.status in (200, 202), answer.status


def _odd_times() -> Iterator[Line]:
    """The night in which Madrid's clocks show an hour twice, and a leap second."""
    night = "2025-10-26T02"
    yield request("summer", "night", f"{night}:45:00+02:00")
    yield request("winter", "night", f"{night}:15:00+01:00")
    yield request("leap", "night", "2016-12-31T23:59:60Z")


def _require_sane_times(outcome: Outcome, cluster: Cluster) -> None:
    found = features_of(cluster, "night")
    outcome.require(found["client_requests_count_1h"] == 2, f"the night: {found}")
    told = {a.event_id: a.told for a in answers(cluster)}
    outcome.require(told["leap"]["outcome"] == "dead", f"the leap second: {told['leap']}")
    for process in cluster.processes:
        negative = re.findall(r'"(?:latency|duration)[a-z_]*":-[0-9.]+', process.said())
        outcome.require(not negative, f"{process.name} tells {negative[:3]}")
    for worker in (*cluster.workers["ingestion"], *cluster.workers["decision"]):
        outcome.require(worker.is_running, f"{worker.name} has ended: {worker.last_words()}")


def _log_lines(chance: random.Random, number: int) -> Iterator[str]:
    at = datetime(2019, 1, 22, 3, 56, 14, tzinfo=UTC)
    for _ in range(500):
        at += timedelta(seconds=chance.randrange(3))
        client = f"198.51.{number}.{chance.randrange(50)}"
        yield (
            f'{client} - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "GET /{chance.randrange(99)} HTTP/1.1"'
            ' 200 512 "-" "curl/8"\n'
        )


def _require_recorded_now(
    outcome: Outcome, logs: Sequence[Sequence[Record]], began_ms: int
) -> None:
    until_ms = time.time_ns() // 1_000_000
    for log in logs:
        outcome.require(not log or log[0].offset == 0, "the beginning of the log is gone")
    newest = [record for log in logs for record in log if record.at_ms >= began_ms]
    events = [json.loads(line) for record in newest for line in record.value.split(b"\n")]
    outcome.require(len(events) == 500, f"{len(events)} of 500 events stand on it as of now")
    outcome.require(all(r.at_ms <= until_ms for r in newest), "a record is dated ahead")
    outcome.require(all(e["occurred_at"] < "2019-02" for e in events), "an event time moved")
