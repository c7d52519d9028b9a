"""The whole of Centinela for a bench: broker, Redis, both agents, the API; and its own account."""

from __future__ import annotations

import re
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import redis

from feature_store.fence import Fence, decode_fence
from models.catalog import pack_named
from producer.topics import ensure_topics
from scripts.bench import load
from scripts.bench.servers import Servers, servers
from scripts.stack.processes import agents_and_api
from scripts.stack.settings import LocalStack

PARTITIONS = 4
START_WITHIN_S = 180.0
"""On a machine that is busy elsewhere, all imports take their time."""
SERIES = re.compile(r'^(\w+)_(sum|count)\{.*step="(\w+)".*\} (\S+)$', re.MULTILINE)


@dataclass(slots=True)
class Running:
    """A stack that runs; `pids` by process name."""

    settings: LocalStack
    servers: Servers
    partitions: int = PARTITIONS

    @property
    def pids(self) -> Mapping[str, int]:
        return {one.child.name: one.process.pid for one in self.servers.supervisor.running}

    def steps(self, agent: str) -> dict[str, tuple[float, float]]:
        """Seconds and count of each step of an agent so far."""
        url = f"http://127.0.0.1:{self.settings.agent_ports[agent]}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            text = answer.read().decode()
        found: dict[str, dict[str, float]] = {}
        for name, kind, step, value in SERIES.findall(text):
            if name == "centinela_step_seconds":
                found.setdefault(step, {})[kind] = float(value)
        return {step: (kinds["sum"], kinds["count"]) for step, kinds in found.items()}

    def fences(self, stage: str) -> list[Fence]:
        """Of each partition that was written."""
        store = redis.Redis.from_url(self.settings.redis)
        stored = [store.get(f"fence:{{{stage}.{p}}}") for p in range(self.partitions)]
        found = (decode_fence(one) for one in stored if isinstance(one, bytes))
        return [fence for fence in found if fence]

    def totals(self, stage: str) -> dict[str, int]:
        """How the events have ended that a stage's fences cover."""
        fences = self.fences(stage)
        return {
            outcome: sum(getattr(fence, outcome) for fence in fences)
            for outcome in ("decided", "duplicate", "late", "dead")
        }

    def folded(self, stage: str, events: int, within_s: float = 120.0) -> dict[str, int]:
        """A stage's totals, once that many events have ended or the time is over."""
        deadline = time.monotonic() + within_s
        while sum(self.totals(stage).values()) < events and time.monotonic() < deadline:
            time.sleep(0.2)
        return self.totals(stage)

    def at_rest(self, within_s: float = 60.0) -> None:
        """Wait until nothing more ends."""
        deadline, before = time.monotonic() + within_s, -1
        while (now := sum(self.ledger().values())) != before and time.monotonic() < deadline:
            before = now
            time.sleep(1.0)

    def ledger(self) -> dict[str, int]:
        """How every event has ended: the totals of the last stage."""
        return self.totals("access.decisions")

    def settled(self, events: int, within_s: float = 120.0) -> dict[str, int]:
        return self.folded("access.decisions", events, within_s)


@contextmanager
def running_stack(*names: str, partitions: int = PARTITIONS, lanes: int = 0) -> Iterator[Running]:
    """Broker and Redis, and of `ingestion`, `decision` and `api` those named; all healthy.

    Args:
        lanes: Of each agent; 0 for what is set for users.
    """
    told = {"CENTINELA_PARTITIONS": str(partitions)}
    if lanes:
        told["CENTINELA_LANES"] = str(lanes)
    with servers() as started:
        settings = started.broker("all")
        ensure_topics(settings.kafka, "access", partitions)
        for child in agents_and_api(settings):
            if child.name in names:
                env = {**child.env, **told}
                started.supervisor.launch(replace(child, env=env, start_within_s=START_WITHIN_S))
        started.supervisor.await_healthy()
        yield Running(settings, started, partitions)


def bodies(
    batches: int, size: int, clients: int, *, seed: int, is_flat: bool = False
) -> Iterator[bytes]:
    """Batches of fresh events that end now, as NDJSON."""
    for lines in _cut(batches, size, clients, seed, is_flat):
        yield b"\n".join(line for _, line in lines)


def batches_of(
    batches: int, size: int, clients: int, *, seed: int
) -> Iterator[list[tuple[str, str, bytes]]]:
    """The same, as `records_of` wants them."""
    for number, lines in enumerate(_cut(batches, size, clients, seed, False)):
        yield [(f"{seed}-{number}", client, line) for client, line in lines]


def _cut(
    batches: int, size: int, clients: int, seed: int, is_flat: bool
) -> Iterable[list[tuple[str, bytes]]]:
    pack = pack_named("access")
    until = time.time_ns() // 1000
    made = load.lines(pack, batches * size, clients, is_flat=is_flat, seed=seed, until_us=until)
    batch: list[tuple[str, bytes]] = []
    for line in made:
        batch.append(line)
        if len(batch) == size:
            yield batch
            batch = []
