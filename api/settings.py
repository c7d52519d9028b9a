"""What can be set about the API from the environment, with the prefix `CENTINELA_API_`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ApiSettings(BaseSettings):
    """Read from `CENTINELA_API_HOST`, `CENTINELA_API_PORT`, ...

    `CENTINELA_WAIT_S` stands alone, and `CENTINELA_CHAMPION` is the agents' too.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        wait_s: For how long a POST waits for its answers before it says 202.
        publish_s: After so long without Kafka's acknowledgement a POST is answered with 503.
        max_events: The most events of one batch.
        max_body_bytes: The most bytes of one request.
        log_level: From which level on the API's own lines are logged.
        champion: Folder of the artifact that the agents judge by; not ready where it is unreadable.
    """

    model_config = SettingsConfigDict(
        env_prefix="CENTINELA_API_", frozen=True, extra="ignore", populate_by_name=True
    )

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    wait_s: float = Field(default=2.0, ge=0, le=30, validation_alias="CENTINELA_WAIT_S")
    publish_s: float = Field(default=2.0, gt=0)
    max_events: int = Field(default=1_000, ge=1)
    max_body_bytes: int = Field(default=1 << 20, ge=1)
    log_level: str = "INFO"
    champion: Path | None = Field(default=None, validation_alias="CENTINELA_CHAMPION")
