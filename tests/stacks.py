"""Real servers for the tests, in containers or as processes of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from testcontainers.core.container import DockerContainer

from scripts.stack import kafka, redis_server, software
from scripts.stack.health import kafka_answers, redis_answers
from scripts.stack.ports import free_ports
from scripts.stack.settings import CannotStart, LocalStack
from scripts.stack.supervisor import Child, Supervisor

KAFKA_IMAGE = os.environ.get("CENTINELA_KAFKA_IMAGE", "apache/kafka:4.1.1")
REDIS_IMAGE = os.environ.get("CENTINELA_REDIS_IMAGE", "redis:7")
POSTGRES_IMAGE = os.environ.get("CENTINELA_POSTGRES_IMAGE", "postgres:15")
START_WITHIN_S = 60.0

T = TypeVar("T")


class Missing(Exception):
    """What this machine lacks for a stack; the test is skipped with it."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Where the servers are.

    Args:
        kafka: Bootstrap servers.
        redis: The URL.
    """

    name: str
    kafka: str
    redis: str


@contextmanager
def docker() -> Iterator[Stack]:
    """The images that users run, each on a free port."""
    kafka_port, redis_port = free_ports(2)
    with ExitStack() as containers:
        redis = _image(REDIS_IMAGE).with_bind_ports(6379, redis_port)
        containers.enter_context(
            redis.with_command("redis-server --appendonly yes --protected-mode no")
        )
        # As root: the image writes its configuration over files that may be read-only.
        broker = _image(KAFKA_IMAGE).with_kwargs(user="root").with_bind_ports(9092, kafka_port)
        for name, value in _broker_environment(kafka_port).items():
            broker.with_env(name, value)
        containers.enter_context(broker)
        _await(redis_answers(redis_port), redis)
        _await(kafka_answers(kafka_port), broker)
        yield Stack("docker", f"127.0.0.1:{kafka_port}", f"redis://127.0.0.1:{redis_port}/0")


@contextmanager
def native() -> Iterator[Stack]:
    """The servers that `up` starts, on free ports, their data in a folder that goes away."""
    with _processes() as (settings, launch):
        launch(redis_server.store(settings, _provided(software.redis_server)))
        java = _provided(software.java)
        jars = _provided(lambda: software.kafka_jars(java))
        launch(kafka.broker(settings, java, jars))
        yield Stack("native", settings.kafka, settings.redis)


@contextmanager
def native_redis() -> Iterator[str]:
    """The URL of a Redis alone: a tenth of a second."""
    with _processes() as (settings, launch):
        launch(redis_server.store(settings, _provided(software.redis_server)))
        yield settings.redis


@dataclass(slots=True)
class Postgres:
    """A PostgreSQL that can be taken away for a while."""

    container: DockerContainer
    port: int

    @property
    def url(self) -> str:
        return f"postgresql://postgres:secret@127.0.0.1:{self.port}/centinela"

    @contextmanager
    def away(self) -> Iterator[None]:
        """It has crashed; afterwards it answers again."""
        server = self.container.get_wrapped_container()
        server.kill()
        try:
            yield
        finally:
            server.start()
            self.await_answer()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It holds its connections, and says nothing."""
        server = self.container.get_wrapped_container()
        server.pause()
        try:
            yield
        finally:
            server.unpause()

    def await_answer(self) -> None:
        # Over TCP: while it is first set up it answers on its socket alone.
        asked = ["pg_isready", "-q", "-h", "127.0.0.1"]
        _await(lambda: self.container.exec(asked).exit_code == 0, self.container)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """The image that users run."""
    (port,) = free_ports(1)
    container = _image(POSTGRES_IMAGE).with_bind_ports(5432, port)
    container.with_env("POSTGRES_PASSWORD", "secret")
    # Not every build of the image has the locale that makes UTF-8 its default.
    create = "PGPASSWORD=secret createdb -U postgres -T template0 -E UTF8 --locale=C centinela"
    with container:
        server = Postgres(container, port)
        server.await_answer()
        assert container.exec(["sh", "-c", create]).exit_code == 0
        yield server


@contextmanager
def _processes() -> Iterator[tuple[LocalStack, Callable[[Child], None]]]:
    """Settings on free ports, and a way to start a child and wait for its health."""
    kafka_port, controller_port, redis_port = free_ports(3)
    with tempfile.TemporaryDirectory(prefix="centinela-") as home:
        settings = LocalStack(
            home=Path(home),
            kafka_port=kafka_port,
            kafka_controller_port=controller_port,
            redis_port=redis_port,
        )
        supervisor = Supervisor(settings.run, lambda _: None)

        def launch(child: Child) -> None:
            supervisor.launch(child)
            supervisor.await_healthy()

        try:
            yield settings, launch
        finally:
            supervisor.stop()


@cache
def has_images() -> bool:
    """Whether this machine can run the images, or get them."""
    try:
        for image in (KAFKA_IMAGE, REDIS_IMAGE):
            _image(image)
    except Missing:
        return False
    return True


def _image(name: str) -> DockerContainer:
    """A container of the image; raises Missing without Docker or the image."""
    if shutil.which("docker") is None:
        raise Missing("no docker on PATH")
    if not _succeeds("docker", "info"):
        raise Missing("the Docker engine does not answer (docker info)")
    if not _succeeds("docker", "image", "inspect", name) and not _succeeds("docker", "pull", name):
        raise Missing(f"no image {name}, and it cannot be pulled")
    # Its clean-up container would be one more image to pull; `with` stops ours.
    os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
    return DockerContainer(name)


def _broker_environment(port: int) -> dict[str, str]:
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    }


def _provided(fetch: Callable[[], T]) -> T:
    try:
        return fetch()
    except CannotStart as error:
        raise Missing(str(error)) from None


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, timeout=300).returncode == 0


def _await(answers: Callable[[], bool], container: DockerContainer) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while not answers():
        if time.monotonic() > deadline:
            said = b"".join(container.get_logs()).decode(errors="replace").splitlines()[-5:]
            raise TimeoutError(f"no answer from {container.image}: {' | '.join(said)}")
        time.sleep(0.1)
