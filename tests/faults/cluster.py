"""What a fault happens to: real Kafka and Redis, several workers of each stage, the API.

A `Cluster` starts on empty topics and an empty Redis. The servers are those of the whole run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from redis.exceptions import RedisError

from feature_store.fence import Fence, decode_fence
from models.errors import DetectionError, Unavailable
from producer.records import DEAD_LETTER, actions_topic, decisions_topic, events_topic
from producer.topics import end_offsets, ensure_topics, topic_id
from scripts.stack.health import http_answers
from scripts.stack.ports import free_ports
from tests.faults.processes import Process
from tests.faults.servers import Broker, RedisServer, Servers
from tests.topics import admin_client, delete_topics

PACK = "access"
EVENTS, DECISIONS, ACTIONS = events_topic(PACK), decisions_topic(PACK), actions_topic(PACK)
STAGES = {"ingestion": PACK, "decision": f"{PACK}.decisions"}
"""Worker's name to the hash tag of its keys."""

PARTITIONS = 8
SETTLED_WITHIN_S = 90.0
ENDS_WITHIN_S = 30.0
LOOK_EVERY_S = 0.1


@dataclass(slots=True)
class Cluster:
    """Servers and our own processes on them.

    Args:
        workers: By stage, `ingestion` and `decision`; those of a stage share its group.
        folder: Where the processes' logs are.
        redis_url: What workers and API are told; a proxy's, or Redis' own.
    """

    servers: Servers
    folder: Path
    redis_url: str
    partitions: int = PARTITIONS
    environment: Mapping[str, str] = field(default_factory=dict)
    workers: dict[str, list[Process]] = field(default_factory=dict)
    api: Process | None = None
    api_port: int = 0

    @property
    def kafka(self) -> str:
        """Bootstrap servers."""
        return self.servers.kafka

    @property
    def broker(self) -> Broker:
        return self.servers.broker

    @property
    def redis(self) -> RedisServer:
        return self.servers.redis

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    def worker(self, name: str, i: int = 0) -> Process:
        """The i-th worker of `ingestion` or `decision`."""
        return self.workers[name][i]

    def add_worker(
        self,
        name: str,
        *,
        module: str = "",
        environment: Mapping[str, str] | None = None,
        redis_url: str = "",
        start: bool = True,
    ) -> Process:
        """One more worker of a stage, not awaited.

        Args:
            module: Run instead of `stream_agents.<name>`; the same rim around a spoilt part.
            environment: Over the cluster's.
            redis_url: Over the cluster's.
        """
        number = len(self.workers.setdefault(name, []))
        (port,) = free_ports(1)
        given = {
            "CENTINELA_INSTANCE": f"{name}-{number}",
            f"CENTINELA_{name.upper()}_PORT": str(port),
            **(environment or {}),
        }
        process = Process(
            f"{name}-{number}",
            (sys.executable, "-m", module or f"stream_agents.{name}"),
            self.folder / f"{name}-{number}.log",
            http_answers(f"http://127.0.0.1:{port}/health"),
            {**self._told(redis_url), **given},
        )
        self.workers[name].append(process)
        if start:
            process.start(wait=False)
        return process

    def add_api(self, *, start: bool = True, environment: Mapping[str, str] | None = None) -> None:
        """The API on `api_url`, not awaited."""
        (self.api_port,) = free_ports(1)
        told = {**self._told(), "CENTINELA_API_PORT": str(self.api_port), **(environment or {})}
        self.api = Process(
            "api",
            (sys.executable, "-m", "api"),
            self.folder / "api.log",
            http_answers(f"{self.api_url}/ready"),
            told,
        )
        if start:
            self.api.start(wait=False)

    @property
    def processes(self) -> list[Process]:
        """Ours, servers left out."""
        own = [worker for workers in self.workers.values() for worker in workers]
        return [*own, *([self.api] if self.api else [])]

    def await_healthy(self) -> None:
        for process in self.processes:
            if process.is_running:
                process.await_healthy()

    def end(self) -> None:
        for process in self.processes:
            process.end()

    def fences(self, stage: str) -> dict[int, Fence]:
        """What Redis holds for `ingestion` or `decision`, by partition; none where it has none.

        Raises:
            RedisError, OSError: Redis does not answer.
        """
        tags = [f"fence:{{{STAGES[stage]}.{p}}}" for p in range(self.partitions)]
        stored = self.redis.call("MGET", *tags)
        found = {p: decode_fence(value or b"") for p, value in enumerate(stored)}
        return {p: fence for p, fence in found.items() if fence is not None}

    def ends(self, topic: str = EVENTS) -> dict[int, int]:
        """Partition to the offset that its next record will have.

        A broker that has just come back is asked again for a while.
        """
        deadline = time.monotonic() + ENDS_WITHIN_S
        while True:
            try:
                return end_offsets(self.kafka, topic)
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(LOOK_EVERY_S)

    def behind(self, ends: Mapping[int, int] | None = None) -> int:
        """Event records that no final answer is committed for, 0 when all are settled.

        Args:
            ends: Of the events topic; those of now unless given.
        """
        wanted = self.ends() if ends is None else ends
        scored = self.fences("ingestion")
        answered = self.fences("decision")
        waiting = 0
        for partition, end in wanted.items():
            folded = scored[partition].offset if partition in scored else -1
            final = answered[partition].upstream if partition in answered else {}
            done = final[str(partition)].offset if str(partition) in final else -1
            waiting += end - 1 - min(folded, done, end - 1)
        return waiting

    def await_answered(self, ends: Mapping[int, int], within_s: float = SETTLED_WITHIN_S) -> float:
        """Seconds until every event record before `ends` is answered, by the fences in Redis."""
        return self._await(lambda: self.behind(ends) == 0, within_s)

    def await_settled(self, within_s: float = SETTLED_WITHIN_S) -> float:
        """Seconds until no stage has lag, repeated records of the decisions topic included."""
        return self._await(lambda: self.behind() == 0 and self._repeats_read(), within_s)

    def await_epoch(self, within_s: float = SETTLED_WITHIN_S) -> float:
        """Seconds until every partition's fence is one of the events topic that is there now."""
        return self._await(
            lambda: (
                {fence.epoch for fence in self.fences("ingestion").values()}
                == {topic_id(self.kafka, EVENTS)}
            ),
            within_s,
        )

    def _repeats_read(self) -> bool:
        ends, fences = self.ends(DECISIONS), self.fences("decision")
        return all(p in fences and fences[p].offset == end - 1 for p, end in ends.items() if end)

    def _await(self, holds: Callable[[], bool], within_s: float) -> float:
        started = time.monotonic()
        while True:
            try:
                if holds():
                    return time.monotonic() - started
                why = f"{self.behind()} records behind"
            except (DetectionError, RedisError, OSError) as error:
                why = str(error)
            if time.monotonic() - started > within_s:
                raise NotSettled(f"not settled within {within_s:g} s: {why}")
            time.sleep(LOOK_EVERY_S)

    def _told(self, redis_url: str = "") -> dict[str, str]:
        return {
            "CENTINELA_KAFKA": self.kafka,
            "CENTINELA_REDIS": redis_url or self.redis_url,
            "CENTINELA_PARTITIONS": str(self.partitions),
            "CENTINELA_POSTGRES": "",
            "CENTINELA_HOME": str(self.folder),
            "PYTHONUNBUFFERED": "1",
            **self.environment,
        }


class NotSettled(AssertionError):
    """The pipeline did not catch up in time."""


class Clusters(Protocol):
    """The cluster factory that a fault is given; see `factory` for the arguments."""

    def __call__(
        self,
        ingestion: int = 2,
        decision: int = 2,
        *,
        with_api: bool = False,
        partitions: int = PARTITIONS,
        environment: Mapping[str, str] | None = None,
        redis_url: str = "",
    ) -> AbstractContextManager[Cluster]: ...


def factory(servers: Servers) -> Clusters:
    """Makes clusters on the servers, one at a time."""
    made = 0

    @contextmanager
    def cluster(
        ingestion: int = 2,
        decision: int = 2,
        *,
        with_api: bool = False,
        partitions: int = PARTITIONS,
        environment: Mapping[str, str] | None = None,
        redis_url: str = "",
    ) -> Iterator[Cluster]:
        nonlocal made
        made += 1
        servers.ensure_running()
        start_afresh(servers, partitions)
        folder = servers.home / f"cluster-{made}"
        running = Cluster(
            servers, folder, redis_url or servers.redis.url, partitions, environment or {}
        )
        try:
            for name, count in (("ingestion", ingestion), ("decision", decision)):
                running.workers[name] = []
                for _ in range(count):
                    running.add_worker(name)
            if with_api:
                running.add_api()
            running.await_healthy()
            yield running
        finally:
            running.end()
            servers.ensure_running()

    return cluster


def start_afresh(servers: Servers, partitions: int) -> None:
    """Empty topics of so many partitions, an empty Redis with its own settings."""
    servers.redis.config("maxmemory", 0)
    servers.redis.flushall()
    admin = admin_client(servers.kafka)
    delete_topics(admin, {EVENTS, DECISIONS, ACTIONS, DEAD_LETTER})
    ensure_topics(servers.kafka, PACK, partitions)
