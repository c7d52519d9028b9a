"""Where Kafka, Redis and PostgreSQL are: what every process of ours has to know."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def local_kafka(given: dict[str, Any]) -> str:
    return f"127.0.0.1:{given['kafka_port']}"


def local_redis(given: dict[str, Any]) -> str:
    return f"redis://127.0.0.1:{given['redis_port']}/0"


class Connections(BaseSettings):
    """Read from the environment: `CENTINELA_KAFKA`, `CENTINELA_REDIS`, ...

    Args:
        kafka_port: Kafka's port on this machine.
        redis_port: Redis' port on this machine.
        kafka: Bootstrap servers, `host:port[,host:port]`; Kafka on this machine unless given.
        redis: The online store's URL; Redis on this machine unless given.
        postgres: Where all answers are recorded, `postgresql://user@host:port/name`; a password may
            stand in PGPASSWORD. Nothing is recorded unless given.
        pack: The domain that this process works for.
        partitions: Of every topic of a pack; part of the stores' keys, so chosen once.
    """

    model_config = SettingsConfigDict(env_prefix="CENTINELA_", frozen=True, extra="ignore")

    kafka_port: int = Field(19092, gt=0, lt=65536)
    redis_port: int = Field(16379, gt=0, lt=65536)
    kafka: str = Field(default_factory=local_kafka)
    redis: str = Field(default_factory=local_redis)
    postgres: str = ""
    pack: str = "access"
    partitions: int = 4
