"""Kafka and Redis as processes of this machine."""

from __future__ import annotations

from scripts.stack import kafka, redis_server, software
from scripts.stack.settings import LocalStack
from scripts.stack.supervisor import Supervisor


def launch(settings: LocalStack, supervisor: Supervisor) -> None:
    """Start both without waiting for them; what they need is fetched first, once."""
    supervisor.launch(redis_server.store(settings, software.redis_server()))
    java = software.java()
    supervisor.launch(kafka.broker(settings, java, software.kafka_jars(java)))
