"""The project's own processes, as children of `up`."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from scripts.stack.health import http_answers
from scripts.stack.settings import LocalStack
from scripts.stack.supervisor import Child


def agents_and_api(settings: LocalStack) -> tuple[Child, ...]:
    """In the order in which they are started; ended in the reverse, the door first."""
    agents = [
        _child(settings, name, f"stream_agents.{name}", f"http://127.0.0.1:{port}/health")
        for name, port in settings.agent_ports.items()
    ]
    return (*agents, _child(settings, "api", "api", f"{settings.api}/ready"))


def environment(settings: LocalStack) -> Mapping[str, str]:
    """Tells a process of ours which stack it belongs to."""
    return {
        "CENTINELA_KAFKA": settings.kafka,
        "CENTINELA_REDIS": settings.redis,
        "CENTINELA_INGESTION_PORT": str(settings.ingestion_port),
        "CENTINELA_DECISION_PORT": str(settings.decision_port),
        "CENTINELA_RECORDER_PORT": str(settings.recorder_port),
        "CENTINELA_AUDITOR_PORT": str(settings.auditor_port),
        "CENTINELA_POSTGRES": settings.postgres,
        "CENTINELA_API_PORT": str(settings.api_port),
        "PYTHONUNBUFFERED": "1",
    }


def _child(settings: LocalStack, name: str, module: str, health: str) -> Child:
    return Child(
        name,
        (sys.executable, "-m", module),
        settings.log(name),
        http_answers(health),
        environment(settings),
    )
