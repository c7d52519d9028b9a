"""One Redis and any number of Kafka brokers for a bench, their data in a folder that goes away."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scripts.stack import kafka, redis_server, software
from scripts.stack.ports import free_ports
from scripts.stack.settings import LocalStack
from scripts.stack.supervisor import Supervisor

PORTS = (
    "kafka_port",
    "kafka_controller_port",
    "redis_port",
    "api_port",
    "ingestion_port",
    "decision_port",
)


@dataclass(slots=True)
class Servers:
    """What runs; `settings` are of a stack whose first broker is the newest one."""

    settings: LocalStack
    supervisor: Supervisor
    pids: dict[str, int] = field(default_factory=dict)

    def broker(self, name: str) -> LocalStack:
        """Start one more broker; the settings of a stack around it and the one Redis."""
        port, controller, api, ingestion, decision = free_ports(5)
        changed = {"home": self.settings.folder / name, "kafka_port": port}
        changed |= {"kafka_controller_port": controller, "api_port": api}
        changed |= {"ingestion_port": ingestion, "decision_port": decision}
        settings = self.settings.model_copy(update=changed)
        java = software.java()
        child = kafka.broker(settings, java, software.kafka_jars(java))
        self._launch(replace(child, name=f"kafka-{name}"))
        return settings

    def redis(self) -> None:
        self._launch(redis_server.store(self.settings, software.redis_server()))

    def _launch(self, child: Any) -> None:
        self.supervisor.launch(child)
        self.supervisor.await_healthy()
        self.pids[child.name] = self.supervisor.running[-1].process.pid


@contextmanager
def servers() -> Iterator[Servers]:
    """With a Redis running; brokers are started as they are asked for."""
    software.require_jars_or_maven()
    with tempfile.TemporaryDirectory(prefix="centinela-bench-") as home:
        ports: Sequence[int] = free_ports(len(PORTS))
        given = {"home": Path(home), **dict(zip(PORTS, ports, strict=True))}
        settings = LocalStack.model_validate(given)
        supervisor = Supervisor(settings.run, lambda line: None)
        try:
            running = Servers(settings, supervisor)
            running.redis()
            yield running
        finally:
            supervisor.stop()
