"""Kafka as a child process: one KRaft node, its data in the stack's folder."""

from __future__ import annotations

import base64
import subprocess
import uuid
from pathlib import Path

from scripts.stack.health import kafka_answers
from scripts.stack.settings import ROOT, CannotStart, LocalStack
from scripts.stack.supervisor import Child

LOGGING = ROOT / "scripts" / "kafka" / "log4j2.properties"

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""


FRUGAL = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""The optimising compiler would take more of a small machine than the broker, for minutes."""


def broker(settings: LocalStack, java: str, jars: Path) -> Child:
    """The broker, its storage formatted if it is new."""
    folder = settings.folder / "kafka"
    properties = folder / "server.properties"
    properties.parent.mkdir(parents=True, exist_ok=True)
    properties.write_text(server_properties(settings, folder / "data"))
    if not (folder / "data" / "meta.properties").exists():
        _format(java, jars, properties, settings)
    return Child(
        "kafka",
        (*_command(java, jars, "-Xms256m", "-Xmx512m", *FRUGAL), "kafka.Kafka", str(properties)),
        settings.log("kafka"),
        kafka_answers(settings.kafka_port),
    )


def server_properties(settings: LocalStack, data: Path) -> str:
    return PROPERTIES.format(
        port=settings.kafka_port, controller=settings.kafka_controller_port, data=data
    )


def _format(java: str, jars: Path, properties: Path, settings: LocalStack) -> None:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    # `=`: an id may begin with a dash.
    options = ("format", f"--cluster-id={cluster}", "-c", str(properties), "--standalone")
    command = (*_command(java, jars, "-Xmx128m", *FRUGAL), "kafka.tools.StorageTool", *options)
    formatted = subprocess.run(command, capture_output=True, text=True)
    if formatted.returncode != 0:
        said = (formatted.stderr or formatted.stdout).strip().splitlines() or ["no message"]
        raise CannotStart(f"Kafka's storage could not be formatted: {said[-1]}")


def _command(java: str, jars: Path, *options: str) -> tuple[str, ...]:
    return (java, *options, f"-Dlog4j2.configurationFile={LOGGING}", "-cp", f"{jars}/*")
