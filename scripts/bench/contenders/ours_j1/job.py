"""Our agents with job J1 as their pack: one window, three features, the job's forest, no rules.

    python -m scripts.bench.contenders.ours_j1.job ingestion

Everything around the pack is as in production: fence, repeats, late events, lists, standings, both
topics. Windows slide, they are not buckets, so counts differ from the other contenders'.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from operator import attrgetter
from pathlib import Path

import numpy as np

from feature_store.columns import Columns, Mask, TextColumn
from feature_store.definitions import (
    Aggregate,
    FeatureSet,
    Filter,
    Value,
    WindowFeature,
)
from feature_store.text import INVALID_TIME, parse_times
from models import catalog
from models.artifacts import FORMAT, Manifest, Statistics, save
from models.contracts import Action
from models.manifests import Calibration, Training
from models.packs.access import PACK
from models.packs.access.events import AccessEvent
from models.policy import Policy
from scripts.bench.contenders.j1 import ALERT, setting
from stream_agents import decision, ingestion

WINDOW = timedelta(minutes=10)
FEATURES = FeatureSet(
    entity="client",
    key="client_ip",
    features=(
        WindowFeature("client_requests_count_10m", Aggregate.COUNT, WINDOW),
        WindowFeature("client_bytes_mean_10m", Aggregate.MEAN, WINDOW, value="bytes"),
        WindowFeature("client_errors_share_10m", Aggregate.SHARE, WINDOW, where="errors"),
    ),
    values=(Value("bytes", lambda event: event.bytes),),
    filters=(Filter("errors", lambda event: event.status >= 400),),
)


def columns(events: Sequence[AccessEvent]) -> Columns:
    def texts(field: str) -> TextColumn:
        return TextColumn.of(list(map(attrgetter(field), events)))

    return Columns(
        {
            "event_id": texts("event_id"),
            "client_ip": texts("client_ip"),
            "at": parse_times(texts("occurred_at")),
            "status": np.array([event.status for event in events], np.int64),
            "bytes": np.array([event.bytes for event in events], np.int64),
        },
        len(events),
    )


def valid(event: Columns) -> Mask:
    keeps: Mask = event.at != INVALID_TIME
    return keeps


J1 = replace(
    PACK,
    columns=columns,
    valid=valid,
    check=lambda event: None,
    features=FEATURES,
    rules=(),
    policy=Policy("j1", {Action.ALERT: ALERT}, {}, {Action.BLOCK: timedelta(hours=1)}),
    model_features=FEATURES.names,
    text=None,
    traits=(),
)


def write_champion(folder: Path) -> None:
    """The job's forest as an artifact; its score is the raw one."""
    samples = np.load(setting("samples"))
    usual = {}
    for name, values in zip(FEATURES.names, samples.T, strict=True):
        usual[name] = Statistics(*np.percentile(values, [50, 95, 99, 100]).tolist())
    model = Path(setting("model")).read_bytes()
    manifest = Manifest(
        format=FORMAT,
        pack=J1.name,
        version="",
        model_sha256=sha256(model).hexdigest(),
        features=FEATURES.names,
        calibration=Calibration((0.0, 1.0), (0.0, 1.0)),
        statistics=usual,
        metrics={},
        training=Training(0, len(samples), len(samples), "", {}),
    )
    save(folder, model, manifest)


def main(agent: str) -> None:
    catalog.PACKS = (J1,)
    champion = Path(setting("folder")) / f"champion-{os.getpid()}"
    write_champion(champion)
    os.environ["CENTINELA_CHAMPION"] = str(champion)
    {"ingestion": ingestion.main, "decision": decision.main}[agent]()


if __name__ == "__main__":
    main(*sys.argv[1:])
