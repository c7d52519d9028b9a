"""What figures were measured on, and with what."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from scripts.stack import software
from scripts.stack.settings import ROOT


def told() -> dict[str, object]:
    return {
        "at": datetime.now(tz=UTC).isoformat(timespec="seconds"),
        "command": " ".join(["python", "-m", "scripts.bench", *_arguments()]),
        "commit": _said("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"),
        "uncommitted": bool(_said("git", "-C", str(ROOT), "status", "--porcelain", "-uno")),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "nice": os.nice(0),
        "versions": dict(_versions()),
    }


def load() -> float:
    """Processes that want to run, over the last minute."""
    return round(os.getloadavg()[0], 2)


def _arguments() -> list[str]:
    """As given, but for where the figures go."""
    given = sys.argv[1:]
    if "--json" in given:
        at = given.index("--json")
        del given[at : at + 2]
    return given


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _versions() -> Mapping[str, str]:
    java = software.java()
    redis = software.redis_version(software.redis_server()) or ()
    jars = [path.name for path in software.JARS.glob("kafka-clients-*.jar")]
    return {
        "linux": platform.release(),
        "python": platform.python_version(),
        "java": str(software.java_version(java)),
        "kafka": jars[0].removeprefix("kafka-clients-").removesuffix(".jar") if jars else "?",
        "redis": ".".join(map(str, redis)),
    }


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()
    except OSError:
        return ""
