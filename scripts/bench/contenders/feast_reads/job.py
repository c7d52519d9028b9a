"""Feast's online store on Redis: write features of clients, read them by a hundred, tell the times.

    python -m scripts.bench.contenders.feast_reads.job REDIS FOLDER CLIENTS FEATURES ROUNDS

One line on standard output for each line on standard input: milliseconds of each read of a round,
so that the caller can take turns with another store.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

ASKED = 100


def main(redis: str, folder: str, clients: str, features: str, reads: str) -> None:
    names = [f"feature_{number}" for number in range(int(features))]
    keys = [f"10.0.{number >> 8}.{number & 255}" for number in range(int(clients))]
    store = _store(redis, Path(folder), names, keys)
    rng = np.random.default_rng(7)
    asked = [f"access:{name}" for name in names]
    for _ in sys.stdin:
        took = []
        for _ in range(int(reads)):
            rows = [{"client": keys[i]} for i in rng.choice(len(keys), ASKED, replace=False)]
            began = time.perf_counter()
            answer = store.get_online_features(asked, rows)
            took.append(1000 * (time.perf_counter() - began))
        values = answer.to_dict()
        assert all(value is not None for value in values[names[0]])
        print(json.dumps(took), flush=True)


def _store(redis: str, folder: Path, names: list[str], keys: list[str]) -> FeatureStore:
    host = redis.removeprefix("redis://").partition("/")[0]
    config = RepoConfig(
        project="bench",
        registry=str(folder / "registry.db"),
        provider="local",
        online_store={"type": "redis", "connection_string": host},
        offline_store={"type": "file"},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    now = datetime.now(tz=UTC)
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({name: rng.random(len(keys)) for name in names})
    frame["client"], frame["at"] = keys, now
    path = folder / "features.parquet"
    frame.to_parquet(path)
    client = Entity(name="client", join_keys=["client"], value_type=ValueType.STRING)
    view = FeatureView(
        name="access",
        entities=[client],
        ttl=timedelta(days=1),
        schema=[Field(name=name, dtype=Float64) for name in names],
        source=FileSource(path=str(path), timestamp_field="at"),
    )
    store.apply([client, view])
    store.write_to_online_store("access", frame)
    return store


if __name__ == "__main__":
    main(*sys.argv[1:])
