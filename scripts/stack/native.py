"""Kafka and Redis as processes of this machine."""

from __future__ import annotations

from scripts.stack import kafka, redis_server, software
from scripts.stack.settings import LocalStack
from scripts.stack.supervisor import Supervisor


def launch(settings: LocalStack, supervisor: Supervisor) -> None:
    """Start both without waiting for them; what they need is fetched first, once.

    Raises:
        NotToBeHad: Something is not there and cannot be fetched; neither was started.
    """
    software.require_jars_or_maven()
    java = software.java()
    jars, redis = software.kafka_jars(java), software.redis_server()
    supervisor.launch(redis_server.store(settings, redis))
    supervisor.launch(kafka.broker(settings, java, jars))
