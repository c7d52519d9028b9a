"""Which ports are free, and who holds those that are not."""

from __future__ import annotations

import contextlib
import os
import random
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from scripts.stack.settings import CannotStart, LocalStack

NEVER_LENT = range(20_000, 32_000)
"""Below what Linux lends to outgoing connections: a free one is still free when a server starts."""
LISTENING = "0A"
"""The state LISTEN in /proc/net/tcp."""


NATIVE = {
    "kafka_port": "Kafka",
    "kafka_controller_port": "Kafka's controller",
    "redis_port": "Redis",
    "ingestion_port": "metrics of the ingestion agent",
    "decision_port": "metrics of the decision agent",
    "api_port": "API",
}
DOCKER = {"kafka_port": "Kafka", "api_port": "API"}
"""What the containers publish on this machine."""

PORTS = {"native": NATIVE, "docker": DOCKER, "embedded": {"api_port": "API"}}
"""By stack and setting, who listens."""

RECORDER = {"recorder_port": "metrics of the recorder"}
AUDITOR = {"auditor_port": "metrics of the auditor"}


def ports_of(settings: LocalStack) -> Mapping[str, str]:
    """By setting, who listens in this stack."""
    recorder = RECORDER if settings.has_recorder else {}
    return PORTS[settings.stack] | recorder | (AUDITOR if settings.has_auditor else {})


def require_free_ports(settings: LocalStack) -> None:
    """Raise CannotStart with a line that names the port, its holder and the way out."""
    for setting, what in ports_of(settings).items():
        port = getattr(settings, setting)
        if not is_free(port):
            raise CannotStart(
                f"port {port} ({what}) is in use by {holder(port)}; "
                f"set CENTINELA_{setting.upper()} or stop it"
            )


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_ports(count: int) -> list[int]:
    """Ports that nobody holds now; all are held at once, so that they differ."""
    ports: list[int] = []
    with contextlib.ExitStack() as probes:
        while len(ports) < count:
            port = random.SystemRandom().choice(NEVER_LENT)
            with contextlib.suppress(OSError):  # taken
                probes.enter_context(socket.create_server(("127.0.0.1", port)))
                ports.append(port)
    return ports


def holder(port: int) -> str:
    """`pid 4711 (java)`, as far as the kernel tells us (/proc, and only our own processes)."""
    inodes = set(_listening_inodes(port))
    for pid in _pids():
        if inodes & set(_socket_inodes(pid)):
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            return f"pid {pid} ({name})"
    return "another process"


def _listening_inodes(port: int) -> Iterable[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not Path(table).exists():
            continue
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == LISTENING and int(local.rpartition(":")[2], 16) == port:
                yield f"socket:[{rest[5]}]"


def _pids() -> Iterable[int]:
    if not Path("/proc").exists():
        return ()
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _socket_inodes(pid: int) -> Iterable[str]:
    try:
        links = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:  # ended meanwhile, or another user's
        return
    for link in links:
        with contextlib.suppress(OSError):  # closed meanwhile
            yield os.readlink(link)
