"""`centinela` against a cluster."""

from __future__ import annotations

import os
import subprocess
import sys

from scripts.stack.settings import ROOT
from tests.faults.cluster import Cluster

ENDS_WITHIN_S = 120


def centinela(cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command as a user calls it: its exit code, what it showed and what it said."""
    told = {
        "CENTINELA_KAFKA": cluster.kafka,
        "CENTINELA_REDIS": cluster.redis_url,
        "CENTINELA_PARTITIONS": str(cluster.partitions),
        "CENTINELA_HOME": str(cluster.folder),
        "COLUMNS": "200",
    }
    return subprocess.run(
        [sys.executable, "-m", "scripts.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, **told},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=ENDS_WITHIN_S,
    )
