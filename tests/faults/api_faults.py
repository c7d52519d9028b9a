"""A: callers that leave, repeat, dawdle, and an API that ends under them."""

from __future__ import annotations

import asyncio
import random
import re
import socket
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

from api.patience import REQUEST_S
from tests.faults import ledger
from tests.faults.batches import (
    EVENTS,
    Batch,
    post,
    post_or_none,
    require_decided_once,
    until_complete,
)
from tests.faults.callers import caller
from tests.faults.catalogue import Outcome, fault
from tests.faults.cluster import Cluster, Clusters
from tests.faults.events import percentile
from tests.faults.processes import Process

AT_ONCE = 50
DESCRIPTORS = 20
"""More open files than before may belong to connections that are kept."""


@fault(
    "A1",
    "callers leave while they wait for their answers",
    passes="each batch is decided once and found again under its key; no wait or file stays open",
    times=1_000,
)
def leaving(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    batches = [Batch.of(f"left-{number}") for number in range(times)]
    with clusters(with_api=True) as cluster, caller(cluster) as client:
        api = _api(cluster)
        client.get("/ready")
        _stop_answers(cluster)
        files, mib = 0, 0.0
        for first in range(0, times, AT_ONCE):
            asyncio.run(_leave(cluster, batches[first : first + AT_ONCE], chance))
            if not files:  # Redis is asked over as many connections as callers come at once
                files, mib = _open_files(api), api.rss_mb()
        _start_answers(cluster)
        for batch in batches:
            answer = until_complete(client, batch)
            told = [result["event_id"] for result in answer["results"]]
            outcome.require(told == batch.ids, f"{batch.key}: {answer}")
        outcome.add(ledger.check(cluster))
        require_decided_once(outcome, cluster, batches)
        waits = _metric(cluster, "centinela_api_pending_waits")
        outcome.require(waits == 0, f"{waits} waits are left")
        left = _open_files(api) - files
        outcome.require(left <= DESCRIPTORS, f"{left} files are left open")
        outcome.figures["MiB more in memory"] = api.rss_mb() - mib
        outcome.times = times
    return outcome


@fault(
    "A2",
    "a batch sent fifty times at once under one key, then another under it",
    passes="published once, one answer for all that are answered, 409 in flight, 422 for another",
    times=10,
    quick=3,
)
def repeating(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome(note="each step of a key: tests/contract/test_idempotency.py")
    statuses: Counter[int] = Counter()
    with (
        clusters(with_api=True) as cluster,
        caller(cluster) as client,
        ThreadPoolExecutor(AT_ONCE) as threads,
    ):
        for number in range(times):
            batch = Batch.of(f"again-{chance.randrange(10**9)}-{number}")
            posts = [threads.submit(post, client, batch) for _ in range(AT_ONCE)]
            answers = [post.result() for post in posts]
            statuses.update(answer.status_code for answer in answers)
            bodies = {answer.content for answer in answers if answer.status_code == 200}
            outcome.require(len(bodies) == 1, f"{batch.key}: {len(bodies)} different answers")
            # Under the same key: another body.
            other = client.post("/analyze", content=batch.body + b"\n", headers=batch.headers)
            outcome.require(other.status_code == 422, f"{other.status_code} to another body")
            outcome.times += AT_ONCE
        verdict = ledger.check(cluster)
        outcome.add(verdict)
        published = verdict.events
        outcome.require(published == times * EVENTS, f"{published} events are published")
    outcome.figures |= {f"answers {status}": str(n) for status, n in sorted(statuses.items())}
    outcome.require(set(statuses) <= {200, 202, 409}, f"answers: {dict(statuses)}")
    return outcome


@fault(
    "A3",
    "connections that say nothing, half a head or half a body, or a byte a second",
    passes=f"closed after {REQUEST_S:g} s; meanwhile other callers are answered",
    times=200,
)
def dawdling(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome(note="each kind by itself: tests/unit/api/test_patience.py")
    whole = Batch.of("slow").on_the_wire()
    halves = (b"", whole[:20], whole[: whole.index(b"\r\n\r\n")], whole[:-10])
    with clusters(with_api=True) as cluster, caller(cluster) as client:
        files = _open_files(_api(cluster))
        slow = [_connected(cluster, halves[number % len(halves)]) for number in range(times)]
        began = time.monotonic()
        spent: list[float] = []
        while time.monotonic() - began < REQUEST_S + 10:
            for held in slow[:: len(halves)][:10]:
                _dribble(held, whole, int(time.monotonic() - began))
            batch = Batch.of(f"quick-{len(spent)}")
            started = time.monotonic()
            outcome.require(post(client, batch).status_code == 200, f"{batch.key} is not answered")
            spent.append(time.monotonic() - started)
            time.sleep(0.5)
        open_still = sum(not _is_closed(each) for each in slow)
        outcome.require(open_still == 0, f"{open_still} of {times} are open after {REQUEST_S} s")
        left = _open_files(_api(cluster)) - files
        outcome.require(left <= DESCRIPTORS, f"{left} files are left open")
        outcome.figures["p99 of other callers, s"] = percentile(spent, 0.99)
        outcome.times = times
        outcome.add(ledger.check(cluster))
        for each in slow:
            each.close()
    return outcome


@fault("A4", "a reader of an event stream is slow or comes back", passes="memory flat, no gap")
def streaming(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    return Outcome.not_applicable("the API has no event stream")


@fault(
    "A5",
    "the API is ended or killed while callers wait",
    passes="ended, it answers each 200, 202 or 503; what was accepted is decided once",
    times=10,
    quick=1,
)
def restarting(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    batches: list[Batch] = []
    with clusters(with_api=True) as cluster, ThreadPoolExecutor(AT_ONCE) as threads:
        for number in range(times):
            is_killed = number % 2 == 1
            waiting = [Batch.of(f"waits-{number}-{n}") for n in range(20)]
            batches += waiting
            _stop_answers(cluster)
            with caller(cluster) as client:
                posts = [threads.submit(post_or_none, client, batch) for batch in waiting]
                time.sleep(chance.uniform(0.2, 1.0))
                _end(cluster, is_killed, outcome)
                answers = [post.result() for post in posts]
            statuses = Counter(answer.status_code if answer else 0 for answer in answers)
            fits = is_killed or set(statuses) <= {200, 202, 503}
            outcome.require(fits, f"SIGTERM answered {dict(statuses)}")
            began = time.monotonic()
            _api(cluster).start()
            _start_answers(cluster)
            with caller(cluster) as client:
                for batch in waiting:
                    until_complete(client, batch)
            outcome.recovery_s.append(time.monotonic() - began)
            outcome.times += 1
        outcome.add(ledger.check(cluster))
        require_decided_once(outcome, cluster, batches)
    return outcome


def _api(cluster: Cluster) -> Process:
    assert cluster.api is not None
    return cluster.api


def _open_files(process: Process) -> int:
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))


def _metric(cluster: Cluster, name: str) -> float:
    with urlopen(f"{cluster.api_url}/metrics", timeout=10) as answer:
        found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.MULTILINE)
    assert found, f"no metric {name}"
    return float(found[1])


def _stop_answers(cluster: Cluster) -> None:
    """From now on nobody is answered: callers wait."""
    for worker in cluster.workers["decision"]:
        worker.term()


def _start_answers(cluster: Cluster) -> None:
    for worker in cluster.workers["decision"]:
        worker.start(wait=False)
    cluster.await_healthy()


async def _leave(cluster: Cluster, batches: Sequence[Batch], chance: random.Random) -> None:
    """All at once ask, wait, and are gone without a word."""

    async def one(batch: Batch) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", cluster.api_port)
        writer.write(batch.on_the_wire())
        await writer.drain()
        await asyncio.sleep(chance.uniform(0.0, 0.5))
        writer.transport.abort()

    await asyncio.gather(*map(one, batches))


def _end(cluster: Cluster, is_killed: bool, outcome: Outcome) -> None:
    if is_killed:
        _api(cluster).kill()
        return
    code = _api(cluster).term()
    outcome.require(code in (0, -15), f"the API ended with {code}")


def _connected(cluster: Cluster, said: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", cluster.api_port), 10)
    connection.sendall(said)
    connection.setblocking(False)
    return connection


def _dribble(connection: socket.socket, whole: bytes, place: int) -> None:
    """One more byte, as long as anybody takes it."""
    try:
        connection.send(whole[place : place + 1])
    except OSError:
        return


def _is_closed(connection: socket.socket) -> bool:
    """Whether the other side has closed, whatever it has said before."""
    try:
        while connection.recv(1000):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
