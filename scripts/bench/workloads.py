"""Some contenders on other events: `python -m scripts.bench --only workloads`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from scripts.bench.contenders.contender import NotHad
from scripts.bench.rounds import Measured, Plan, Track
from scripts.bench.throughput import measured, prepared
from scripts.bench.workload import Workload, workload

PLAN = Plan(500_000, 1, 2.0, 0.4)
J1 = ("centinela-j1", "plain-batched", "bytewax", "kafka-streams")
RUN: Mapping[str, tuple[str, ...]] = {
    "flat": ("centinela", "plain-batched"),
    "hot": ("centinela", *J1),
    "cards": J1,
    "statuses": J1,
    "messy": ("centinela", "plain", "bytewax", "quix", "faust", "kafka-streams"),
}
"""By workload, who does it; Centinela's access pack says nothing about payments."""


def run(track: Track) -> dict[str, Any]:
    chosen, skipped = prepared(tuple({name for names in RUN.values() for name in names}))
    made: list[Workload] = []
    results: list[Measured] = []
    for name, names in RUN.items():
        try:
            made.append(workload(name, PLAN.events))
        except NotHad as error:
            skipped[name] = str(error)
            continue
        runs = [(one, made[-1], 0) for one in chosen if one.name in names]
        results += measured(track, runs, PLAN, skipped)
    return {
        "plan": asdict(PLAN),
        "data": {one.name: {"events": one.events, "sha256": one.sha256} for one in made},
        "skipped": skipped,
        "rounds": [asdict(one) for one in results],
    }
