"""All benches in one invocation, and their figures as one JSON file.

    python -m scripts.bench [--quick] [--only latency,model] [--rounds 3] --json FILE

Claims are ratios within one such file: machines and their moods differ. `--quick` takes a minute
and a half and ends with loose gates, which are ratios too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
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
    everyone: Annotated[
        bool, typer.Option("--all", help="Every variant of a contender, and a kill of each.")
    ] = False,
) -> None:
    began = time.monotonic()
    parts = tuple(name for name in only.split(",") if name)
    every = ("throughput", "workers", *dict(BESIDE), *(("crash",) if everyone else ()))
    parts = parts or (QUICKLY if quick else every)
    found: dict[str, Any] = {"machine": machine.told(), "quick": quick, "failed": {}}
    runs: dict[str, Callable[[], Any]] = {
        "engines": partial(_engines, parts, quick, rounds, everyone)
    }
    runs |= {name: partial(run, quick) for name, run in BESIDE} | {"crash": crash.run}
    load = {"before": machine.load()}
    for name in (name for name in runs if name in parts or name == "engines"):
        began_part = time.monotonic()
        print(f"{name} ...", flush=True)
        try:
            told = runs[name]()
        except Exception as error:  # the rim: the other parts are measured all the same
            found["failed"][name] = f"{type(error).__name__}: {error}"
            print(f"{name} failed: {found['failed'][name]}", flush=True)
            continue
        found |= told if name == "engines" else {name: told}
        load[f"after {name}"] = machine.load()
        print(f"{name}: {time.monotonic() - began_part:.0f} s", flush=True)
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


def _engines(parts: tuple[str, ...], quick: bool, rounds: int, everyone: bool) -> dict[str, Any]:
    """The contenders, and our own workers on all cores."""
    found: dict[str, Any] = {}
    plan = plan_of(quick, rounds, everyone)
    if "throughput" in parts:
        with on_core(0, plan.pinned), servers() as started:
            found["throughput"] = throughput.run(plan, Track(started, plan.pinned))
    if "workers" in parts:
        unpinned = Plan(plan.events, min(plan.rounds, 2), plan.measured_s, pinned=False)
        with servers() as started:
            found["workers"] = throughput.workers(unpinned, Track(started, False))
    return found


if __name__ == "__main__":
    typer.run(main)
