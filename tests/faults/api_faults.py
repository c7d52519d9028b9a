"""A: callers that leave, repeat, dawdle, and an API that ends under them."""

from __future__ import annotations

import asyncio
import json
import random
import re
import socket
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

import httpx

from api.patience import REQUEST_S
from tests.faults import ledger
from tests.faults.callers import NDJSON, caller
from tests.faults.catalogue import Outcome, fault
from tests.faults.cluster import Cluster, Clusters
from tests.faults.events import outcomes_of, percentile, request
from tests.faults.processes import Process

AT_ONCE = 50
EVENTS = 3
"""Of a caller's batch."""
DESCRIPTORS = 20
"""More open files than before may belong to connections that are kept."""
WAIT = "wait=30"


@dataclass(frozen=True, slots=True)
class Batch:
    """A caller's events, and the key under which they may be sent again."""

    key: str
    body: bytes

    @classmethod
    def of(cls, key: str) -> Batch:
        at = datetime.now(UTC) - timedelta(seconds=1)
        lines = [request(f"{key}-{n}", f"{key}-{n}", at)[2] for n in range(EVENTS)]
        return cls(key, b"\n".join(lines))

    @property
    def ids(self) -> list[str]:
        return [f"{self.key}-{n}" for n in range(EVENTS)]

    @property
    def headers(self) -> dict[str, str]:
        return {**NDJSON, "Idempotency-Key": f'"{self.key}"', "Prefer": WAIT}

    def on_the_wire(self) -> bytes:
        told = {**self.headers, "Host": "centinela", "Content-Length": str(len(self.body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        return f"POST /analyze HTTP/1.1\r\n{head}\r\n".encode() + self.body


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
            answer = _until_complete(client, batch)
            told = [result["event_id"] for result in answer["results"]]
            outcome.require(told == batch.ids, f"{batch.key}: {answer}")
        outcome.add(ledger.check(cluster))
        _require_decided_once(outcome, cluster, batches)
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
            posts = [threads.submit(_post, client, batch) for _ in range(AT_ONCE)]
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
            outcome.require(_post(client, batch).status_code == 200, f"{batch.key} is not answered")
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
                posts = [threads.submit(_post_or_none, client, batch) for batch in waiting]
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
                    _until_complete(client, batch)
            outcome.recovery_s.append(time.monotonic() - began)
            outcome.times += 1
        outcome.add(ledger.check(cluster))
        _require_decided_once(outcome, cluster, batches)
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


def _post(client: httpx.Client, batch: Batch) -> httpx.Response:
    return client.post("/analyze", content=batch.body, headers=batch.headers)


def _post_or_none(client: httpx.Client, batch: Batch) -> httpx.Response | None:
    """The answer; None where the connection ended instead."""
    try:
        return _post(client, batch)
    except httpx.TransportError:
        return None


def _until_complete(client: httpx.Client, batch: Batch) -> dict[str, list[dict[str, object]]]:
    """The answer once it is complete; sent again under its key as a caller would."""
    deadline = time.monotonic() + 60
    while (answer := _post(client, batch)).status_code != 200:
        assert answer.status_code in (202, 409, 503), answer.text
        assert time.monotonic() < deadline, f"{batch.key} stays {answer.status_code}"
        time.sleep(0.05)
    told: dict[str, list[dict[str, object]]] = json.loads(answer.content)
    return told


def _require_decided_once(outcome: Outcome, cluster: Cluster, batches: Sequence[Batch]) -> None:
    """A batch that was sent again after an unknown end may stand on the log twice."""
    ended = outcomes_of(cluster)
    every = [event_id for batch in batches for event_id in batch.ids]
    wrong = [event_id for event_id in every if ended.get(event_id, Counter())["decided"] != 1]
    outcome.require(not wrong, f"{len(wrong)} are not decided once, such as {wrong[:3]}")


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
