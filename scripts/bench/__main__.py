"""All benches in one invocation, and their figures as one JSON file.

    python -m scripts.bench [--quick] [--only latency,model] [--rounds 3] --json FILE

Claims are ratios within one such file: machines and their moods differ. `--quick` takes a minute
and a half and ends with loose gates, which are ratios too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from scripts.bench import gates, growth, latency, machine, model, reads, recovery, throughput, trips
from scripts.bench.rounds import Plan, Track, on_core
from scripts.bench.servers import servers

PEERS = (
    "centinela",
    "centinela-single",
    "plain",
    "plain-batched",
    "bytewax",
    "quix",
    "faust",
    "kafka-streams",
    "flink",
    "crowdsec",
    "script",
)
QUICK = ("centinela", "plain-batched", "script")
BESIDE = (
    ("latency", latency.run),
    ("recovery", recovery.run),
    ("growth", growth.run),
    ("trips", trips.run),
    ("model", model.run),
    ("reads", reads.run),
)
QUICKLY = ("throughput", "latency", "trips", "model")


def main(
    file: Annotated[Path, typer.Option("--json", help="Where the figures go.")] = Path(
        ".centinela/bench/bench.json"
    ),
    quick: Annotated[bool, typer.Option(help="A few contenders for seconds, with gates.")] = False,
    only: Annotated[str, typer.Option(help="Parts, separated by commas.")] = "",
    rounds: Annotated[int, typer.Option(help="Of the contenders.")] = 3,
    everyone: Annotated[bool, typer.Option("--all", help="Every variant of a contender.")] = False,
) -> None:
    began = time.monotonic()
    parts = tuple(name for name in only.split(",") if name)
    parts = parts or (QUICKLY if quick else ("throughput", "workers", *dict(BESIDE)))
    found: dict[str, Any] = {"machine": machine.told(), "quick": quick}
    load = {"before": machine.load()}
    if "throughput" in parts or "workers" in parts:
        found |= _contenders(parts, plan_of(quick, rounds, everyone))
    for name, run in BESIDE:
        if name in parts:
            found[name] = _timed(name, run, quick)
            load[f"after {name}"] = machine.load()
    found["machine"] |= {"load": load, "took_s": round(time.monotonic() - began)}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=1))
    print(f"{time.monotonic() - began:.0f} s; figures in {file}")
    if broken := gates.broken(found):
        raise SystemExit("\n".join(broken))


def plan_of(quick: bool, rounds: int, everyone: bool) -> Plan:
    if quick:
        return Plan(400_000, 1, 2.0, 0.4, QUICK)
    flat = ("centinela", "plain-batched")
    return Plan(1_500_000, rounds, 5.0, 1.0, () if everyone else PEERS, flat)


def _contenders(parts: tuple[str, ...], plan: Plan) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with on_core(0, plan.pinned), servers() as started:
        track = Track(started, plan.pinned)
        if "throughput" in parts:
            found["throughput"] = throughput.run(plan, track)
    if "workers" in parts:
        unpinned = Plan(plan.events, min(plan.rounds, 2), plan.measured_s, pinned=False)
        with servers() as started:
            found["workers"] = throughput.workers(unpinned, Track(started, False))
    return found


def _timed(name: str, run: Callable[[bool], dict[str, Any]], quick: bool) -> dict[str, Any]:
    began = time.monotonic()
    print(f"{name} ...", flush=True)
    found = run(quick)
    print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    return found


if __name__ == "__main__":
    typer.run(main)
