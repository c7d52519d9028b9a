"""M: bodies and records that are hostile or too large."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping

from confluent_kafka import KafkaError

from tests.faults import ledger
from tests.faults.callers import Stranger, caller
from tests.faults.catalogue import Outcome, fault
from tests.faults.cluster import Clusters
from tests.faults.events import ATTACK, just_now, request
from tests.faults.harm import after_the_last, pids_of, require_unharmed
from tests.unit.api.bad_bodies import POLICY, SECRET, TABLE, Bad

MIB = 2**20
SLOWEST_MS = 100.0


@fault(
    "M4",
    "records and bodies that are too large: as they are, compressed, of very many lines",
    passes="413 or refused by the broker; else dead by its beginning; the next event is answered",
    times=1,
    quick=1,
)
def sizes(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome(note="how a record is cut: tests/unit/stream_agents/test_lines.py")
    attack = request("", "198.51.100.9", just_now(), path=ATTACK)[2]
    # Smaller than the topic's limit only as they travel; each line of attacks has a long answer.
    large: Mapping[str, bytes] = {
        "a line of 10 MB": b"a" * 10_000_000,
        "5 MB of attacks": b"\n".join([attack] * (5_000_000 // len(attack))),
        "1 MB of numbers": b"0\n" * 500_000,
        "1 MB of bad events": b"\n".join([attack.replace(b"GET", b"G\x00T")] * 6_000),
        "a field of 40 MB": b'{"%s": 1}' % (b"x" * 40_000_000),
        "a line of 70 MB": b"b" * 70_000_000,
    }
    with clusters(with_api=True) as cluster, caller(cluster) as client:
        before = {process.name: process.rss_mb() for process in cluster.processes}
        pids = pids_of(cluster)
        for _ in range(times):
            for content in (b'["' + b"a" * 10 * MIB + b'"]', b"[" * 10 * MIB):
                status = client.post(
                    "/analyze", content=content, headers={"Content-Type": "application/json"}
                ).status_code
                outcome.require(status == 413, f"{status} to {len(content)} bytes")
                outcome.times += 1
            [refused] = Stranger(cluster).write([b"a" * (MIB + 1)], 0)
            is_refused = isinstance(refused, KafkaError)
            outcome.require(is_refused, f"the broker took 1 MiB + 1 at {refused}")
            for number, (name, value) in enumerate(large.items()):
                [place] = Stranger(cluster, "zstd").write([value], number % cluster.partitions)
                outcome.require(isinstance(place, tuple), f"{name}: {place}")
                took_s = after_the_last(cluster, f"after-{number}")
                outcome.figures[f"seconds for {name}"] = took_s
                outcome.times += 1
            require_unharmed(outcome, cluster, pids)
        outcome.add(ledger.check(cluster))
        grown = {p.name: p.rss_mb() - before[p.name] for p in cluster.processes}
        outcome.figures["MiB more in memory, worker"] = max(
            mib for name, mib in grown.items() if name != "api"
        )
        outcome.figures["MiB more in memory, API"] = grown["api"]
        outcome.require(grown["api"] < 50, f"the API has grown by {grown['api']:.0f} MiB")
    return outcome


@fault(
    "M7",
    "hostile bodies: nested, doubled, cut, packed, of 10 MB",
    passes="each gets its 4xx, or its own error in a batch; the quickest of three within 100 ms",
    times=sum(map(len, TABLE.values())),
)
def bodies(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome(note="the same bodies in the process: tests/unit/api/test_bad_bodies.py")
    every = [bad for table in TABLE.values() for bad in table]
    chance.shuffle(every)
    slowest = (0.0, "")
    with clusters(with_api=True) as cluster, caller(cluster) as client:
        for bad in every[:times]:
            given = {"Content-Type": bad.content_type, "Content-Encoding": bad.encoding}
            headers = {name: value for name, value in given.items() if value is not None}
            spent = []
            for _ in range(3):
                started = time.monotonic()
                answer = client.request(_method(bad), bad.path, content=bad.body, headers=headers)
                spent.append((time.monotonic() - started) * 1000)
                is_due = answer.status_code == bad.status or (
                    bad.status == 200 and answer.status_code == 202
                )
                outcome.require(is_due, f"{bad.id}: {answer.status_code}, not {bad.status}")
                outcome.require(SECRET not in answer.text, f"{bad.id}: repeats what it was sent")
            slowest = max(slowest, (min(spent), bad.id))
            if bad.status != 200:  # an event is answered when the workers have it
                quick = min(spent) < SLOWEST_MS
                outcome.require(quick, f"{bad.id}: {min(spent):.0f} ms")
            outcome.times += 1
        outcome.figures["slowest, ms"] = f"{slowest[0]:.1f} ({slowest[1]})"
        outcome.add(ledger.check(cluster))
    return outcome


def _method(bad: Bad) -> str:
    return "PUT" if bad.path == POLICY else "POST"
