"""A Kafka and a Redis of our own, each killable and restartable with its data."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from feature_store.online import connect
from scripts.stack import kafka, redis_server, software
from scripts.stack.ports import free_ports
from scripts.stack.settings import ROOT, LocalStack
from scripts.stack.supervisor import Child
from tests.faults.processes import Process

PATIENCE = timedelta(seconds=30)
"""For an answer of Redis; a machine that does all this at once may be slow."""


class Broker(Process):
    """Kafka: `start`, `kill`, `term`, `stop`, `cont`."""

    port: int


class RedisServer(Process):
    """Redis with its append-only file.

    `start`, `kill`, `term`, `stop`, `cont` are those of every process.
    """

    port: int
    data: Path

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def call(self, *command: object) -> Any:
        """One command's answer, on a connection of its own."""

        async def ask() -> Any:
            redis: Any = connect(self.url, PATIENCE)  # its commands are typed for other clients
            try:
                return await redis.execute_command(*command)
            finally:
                await redis.aclose()

        return run(ask())

    def flushall(self) -> None:
        self.call("FLUSHALL")

    def config(self, name: str, value: object) -> None:
        """`CONFIG SET`, until the next start."""
        self.call("CONFIG", "SET", name, value)

    def aof(self) -> Path:
        """The append-only file that is being written."""
        parts = sorted(self.data.rglob("*.incr.aof")) or sorted(self.data.glob("*.aof"))
        return parts[-1]

    def aof_bytes(self) -> int:
        """Its length now: what a crash keeps that loses everything later."""
        return self.aof().stat().st_size

    def truncate_aof(self, to_bytes: int) -> int:
        """Cut the file of a dead server to a length; returns how many bytes are lost."""
        assert not self.is_running, "a running server writes on behind the cut"
        lost = max(0, self.aof_bytes() - to_bytes)
        os.truncate(self.aof(), self.aof_bytes() - lost)
        return lost


@dataclass(slots=True)
class Servers:
    """Both servers, as the clusters of one run share them.

    Args:
        home: Where data and logs are.
    """

    broker: Broker
    redis: RedisServer
    home: Path

    @property
    def kafka(self) -> str:
        return f"127.0.0.1:{self.broker.port}"

    def ensure_running(self) -> None:
        """Start whatever a fault has left dead or frozen."""
        for server in (self.broker, self.redis):
            server.cont()
            if not server.is_running:
                server.start()


@contextmanager
def servers() -> Iterator[Servers]:
    """Both on free ports, their data in a folder that goes away.

    Raises:
        CannotStart: This machine lacks what they need.
    """
    kafka_port, controller_port, redis_port = free_ports(3)
    with tempfile.TemporaryDirectory(prefix="centinela-faults-") as folder:
        settings = LocalStack(
            home=Path(folder),
            kafka_port=kafka_port,
            kafka_controller_port=controller_port,
            redis_port=redis_port,
        )
        # Kernels that are new are compiled here, once, and not by each worker in turn.
        subprocess.run([sys.executable, "-m", "stream_agents.warm"], cwd=ROOT, check=True)
        java = software.java()
        broker = _broker(kafka.broker(settings, java, software.kafka_jars(java)), kafka_port)
        store = redis_of(redis_server.store(settings, software.redis_server()), settings)
        try:
            store.start()
            broker.start()
            yield Servers(broker, store, Path(folder))
        finally:
            for server in (store, broker):
                server.end()


def _broker(child: Child, port: int) -> Broker:
    broker = Broker(child.name, child.command, child.log, child.healthy)
    broker.port = port
    return broker


def redis_of(child: Child, settings: LocalStack) -> RedisServer:
    """A Redis that was described as a child of a supervisor."""
    redis = RedisServer(child.name, child.command, child.log, child.healthy)
    redis.port = settings.redis_port
    redis.data = settings.folder / "redis"
    return redis


def run(question: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(question)
