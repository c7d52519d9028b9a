"""What Redis holds of one client, read as the pipeline's own kernel reads it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from feature_store.kernel import WindowKernel
from models.catalog import pack_named
from producer.partitioning import partition_of
from tests.faults.cluster import PACK, Cluster


def key_of(cluster: Cluster, client: str) -> str:
    return f"feature:{{{PACK}.{partition_of(client, cluster.partitions)}}}:client:{client}"


def state_of(cluster: Cluster, client: str) -> bytes:
    """The client's encoded windows; empty where there are none."""
    return cluster.redis.call("GET", key_of(cluster, client)) or b""


def features_of(cluster: Cluster, client: str) -> Mapping[str, float]:
    """The client's features as of its newest event; NaN is unknown."""
    kernel = WindowKernel(pack_named(PACK).features)
    state = state_of(cluster, client)
    [row] = kernel.read([state], np.array([kernel.newest(state)]))
    return dict(zip(kernel.names, row.tolist(), strict=True))
