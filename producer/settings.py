"""Where Kafka and Redis are: what every process of ours has to know."""

from __future__ import annotations

from pydantic_settings import BaseSettings, SettingsConfigDict


class Connections(BaseSettings):
    """Read from the environment: `CENTINELA_KAFKA`, `CENTINELA_REDIS`, ...

    Args:
        kafka: Bootstrap servers, `host:port[,host:port]`.
        redis: The online store's URL.
        pack: The domain that this process works for.
        partitions: Of every topic of a pack; part of the stores' keys, so chosen once.
    """

    model_config = SettingsConfigDict(env_prefix="CENTINELA_", frozen=True, extra="ignore")

    kafka: str = "127.0.0.1:19092"
    redis: str = "redis://127.0.0.1:16379/0"
    pack: str = "access"
    partitions: int = 4
