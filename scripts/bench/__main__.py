"""All benches in one invocation, and their figures as one JSON file.

    python -m scripts.bench [--quick] [--only latency,model] [--rounds 3] --json FILE

Claims are ratios within one such file: machines and their moods differ. `--quick` takes a minute
and a half and ends with loose gates, which are ratios too.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from scripts.bench import (
    crash,
    gates,
    growth,
    latency,
    machine,
    model,
    reads,
    recovery,
    throughput,
    trips,
    workloads,
)
from scripts.bench.rounds import Plan, Track, on_core
from scripts.bench.servers import servers

PEERS = (
    "centinela",
    "centinela-single",
    "centinela-j1",
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
ENGINES = ("throughput", "workers", "workloads")
BESIDE = (
    ("latency", latency.run),
    ("recovery", recovery.run),
    ("growth", growth.run),
    ("trips", trips.run),
    ("model", model.run),
    ("reads", reads.run),
)
Run = Callable[[], dict[str, Any]]
QUICKLY = ("throughput", "latency", "trips", "model")


def main(
    file: Annotated[Path, typer.Option("--json", help="Where the figures go.")] = Path(
        ".centinela/bench/bench.json"
    ),
    quick: Annotated[bool, typer.Option(help="A few contenders for seconds, with gates.")] = False,
    only: Annotated[str, typer.Option(help="Parts, separated by commas.")] = "",
    rounds: Annotated[int, typer.Option(help="Of the contenders.")] = 3,
    everyone: Annotated[
        bool, typer.Option("--all", help="Every variant of a contender, and a kill of each.")
    ] = False,
) -> None:
    # Ended from outside, it ends its servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    parts = _parts(only, quick, everyone)
    found: dict[str, Any] = {"machine": machine.told(), "quick": quick, "failed": {}}
    engines = partial(_engines, parts, plan_of(quick, rounds, everyone), found)
    runs: dict[str, Run] = {"engines": engines} if {*ENGINES} & {*parts} else {}
    runs |= {name: partial(_one, name, run, quick) for name, run in BESIDE if name in parts}
    if "crash" in parts:
        runs["crash"] = lambda: {"crash": crash.run()}
    file.parent.mkdir(parents=True, exist_ok=True)
    _measure(runs, found, file)
    print(f"{found['machine']['took_s']} s; figures in {file}")
    if broken := gates.broken(found):
        raise SystemExit("\n".join(broken))


def _parts(only: str, quick: bool, everyone: bool) -> tuple[str, ...]:
    every = (*ENGINES, *dict(BESIDE), "crash")
    chosen = tuple(name for name in only.split(",") if name)
    if unknown := set(chosen) - set(every):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: parts are {', '.join(every)}")
    if chosen:
        return chosen
    return QUICKLY if quick else every if everyone else every[:-1]


def _measure(runs: Mapping[str, Run], found: dict[str, Any], file: Path) -> None:
    """Run one part after another; the file is whole after each."""
    began, load = time.monotonic(), {"before": machine.load()}
    for name, run in runs.items():
        since = time.monotonic()
        print(f"{name} ...", flush=True)
        try:
            found |= run()
        except Exception as error:  # the rim: the other parts are measured all the same
            found["failed"][name] = f"{type(error).__name__}: {error}"
            print(f"{name} failed: {found['failed'][name]}", flush=True)
        load[f"after {name}"] = machine.load()
        found["machine"] |= {"load": load, "took_s": round(time.monotonic() - began)}
        file.write_text(json.dumps(found, indent=1))
        print(f"{name}: {time.monotonic() - since:.0f} s", flush=True)


def _one(name: str, run: Callable[[bool], dict[str, Any]], quick: bool) -> dict[str, Any]:
    return {name: run(quick)}


def plan_of(quick: bool, rounds: int, everyone: bool) -> Plan:
    if quick:
        return Plan(400_000, 1, 2.0, 0.4, QUICK)
    return Plan(1_500_000, rounds, 3.0, 0.6, () if everyone else PEERS)


def _engines(parts: tuple[str, ...], plan: Plan, found: dict[str, Any]) -> dict[str, Any]:
    """The contenders, our own workers on all cores, and other events, on the same brokers.

    Args:
        found: Gets each as it ends: one that fails takes nothing of the others with it.
    """
    with on_core(0, plan.pinned), servers() as started:
        track = Track(started)
        if "throughput" in parts:
            found["throughput"] = throughput.run(plan, track)
        if "workers" in parts:
            unpinned = Plan(plan.events, min(plan.rounds, 2), plan.measured_s, pinned=False)
            found["workers"] = throughput.workers(unpinned, track)
        if "workloads" in parts:
            found["workloads"] = workloads.run(track)
    return {}


if __name__ == "__main__":
    typer.run(main)
