"""Where the local stack lives: folders and ports, from the environment."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.errors import DetectionError
from producer.settings import Connections

ROOT = Path(__file__).resolve().parents[2]
SOFTWARE = ROOT / ".centinela"
"""Downloaded programs, shared by all stacks of this checkout."""

NEEDED_MB = 500


class CannotStart(DetectionError):
    """A process of ours cannot run on this machine as it is; the message says what would help."""


class LocalStack(BaseSettings):
    """Read from the environment: `CENTINELA_HOME`, `CENTINELA_API_PORT`, ..., and `STACK`.

    Stacks with different homes and ports run side by side.

    Args:
        home: Holds data, logs and the pid files of what runs.
        stack: How Kafka and Redis are run; `embedded` is without them, in one process.
        kafka_port: Kafka's port on this machine.
        kafka_controller_port: The port of Kafka's controller.
        redis_port: Redis' port on this machine.
        api_port: Port to listen on.
        ingestion_port: Where the ingestion agent answers `/metrics` and `/health`.
        decision_port: Where the decision agent answers them.
        recorder_port: Where the recorder answers them.
        auditor_port: Where the auditor answers them.
        auditor: Whether one is started beside the agents.
        postgres: Where all answers are recorded; nothing is, and no recorder started, unless given.
        started: Unix time at which the user's command was given, for `first detection after`.
    """

    model_config = SettingsConfigDict(env_prefix="CENTINELA_", frozen=True, extra="ignore")

    home: Path = SOFTWARE
    stack: Literal["native", "docker", "embedded"] = Field("native", validation_alias="STACK")
    kafka_port: int = Field(19092, gt=0, lt=65536)
    kafka_controller_port: int = Field(19093, gt=0, lt=65536)
    redis_port: int = Field(16379, gt=0, lt=65536)
    api_port: int = Field(8080, gt=0, lt=65536)
    ingestion_port: int = Field(9101, gt=0, lt=65536)
    decision_port: int = Field(9102, gt=0, lt=65536)
    recorder_port: int = Field(9103, gt=0, lt=65536)
    auditor_port: int = Field(9104, gt=0, lt=65536)
    auditor: bool = False
    postgres: str = ""
    started: float | None = None

    @property
    def folder(self) -> Path:
        """The home as an absolute path: children run in the project's root."""
        return self.home.expanduser().resolve()

    @property
    def run(self) -> Path:
        return self.folder / "run"

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    @property
    def kafka(self) -> str:
        return f"127.0.0.1:{self.kafka_port}"

    @property
    def redis(self) -> str:
        return f"redis://127.0.0.1:{self.redis_port}/0"

    @property
    def has_recorder(self) -> bool:
        """Whether a recorder is among the processes of this machine."""
        return self.stack == "native" and bool(self.postgres)

    @property
    def has_auditor(self) -> bool:
        """Whether an auditor is among the processes of this machine."""
        return self.stack == "native" and self.auditor

    @property
    def agent_ports(self) -> dict[str, int]:
        """By agent, where it answers `/health`; in the order in which they are started."""
        ports = {"ingestion": self.ingestion_port, "decision": self.decision_port}
        ports |= {"recorder": self.recorder_port} if self.has_recorder else {}
        return ports | ({"auditor": self.auditor_port} if self.has_auditor else {})

    @property
    def connections(self) -> Connections:
        """What our own processes of this stack are told."""
        return Connections(kafka=self.kafka, redis=self.redis)

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"


def require_space(folder: Path, needed_mb: int = NEEDED_MB) -> None:
    """Make the folder, or raise CannotStart: a full disk breaks Kafka and Redis midway."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free_mb = shutil.disk_usage(folder).free // 1_000_000
    except OSError as error:
        raise CannotStart(
            f"{folder} cannot be used: {error.strerror}; set CENTINELA_HOME"
        ) from None
    if free_mb < needed_mb:
        raise CannotStart(
            f"{free_mb} MB are free under {folder} and {needed_mb} MB are needed: "
            "free some, or set CENTINELA_HOME to a folder on another disk"
        )
