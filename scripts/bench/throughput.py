"""Contenders one after another on a topic that is filled: events/s and CPU on one core.

    python -m scripts.bench.throughput --rounds 3 --only centinela,plain

Broker, Redis and this harness run on core 0, the contender with all its threads on core 1. What
counts is what comes out: events answered between the end of the warm-up and the last look.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from scripts.bench.contenders.catalog import contenders
from scripts.bench.contenders.contender import Contender, NotHad
from scripts.bench.contenders.ours import Centinela
from scripts.bench.rounds import Measured, Plan, Track, measure, on_core
from scripts.bench.servers import servers
from scripts.bench.workload import workload


def run(plan: Plan, track: Track) -> dict[str, Any]:
    """All contenders in each round, round after round; then a few of them where keys are flat."""
    made, flat = workload("zipf", plan.events), workload("flat", plan.events)
    chosen, skipped = _prepared(plan.only)
    runs = [(one, made, number) for number in range(plan.rounds) for one in chosen]
    again = [one for one in chosen if one.name in plan.flat]
    runs += [(one, flat, number) for number in range(min(2, plan.rounds)) for one in again]
    results: list[Measured] = []
    for contender, events, number in runs:
        if contender.name in skipped:
            continue
        try:
            results.append(measure(track, contender, events, number, plan))
            print(line_of(results[-1]), flush=True)
        except NotHad as error:
            skipped[contender.name] = str(error)
    told = {
        c.name: {"does": c.does, "lacks": c.lacks, "reads": c.reads, "versions": dict(c.versions())}
        for c in chosen
    }
    return {
        "plan": asdict(plan),
        "data": {one.name: {"events": one.events, "sha256": one.sha256} for one in (made, flat)},
        "contenders": told,
        "skipped": skipped,
        "rounds": [asdict(measured) for measured in results],
    }


def workers(plan: Plan, track: Track) -> list[dict[str, Any]]:
    """Our agents on all cores, with one ingestion worker and with two, taking turns."""
    made = workload("zipf", plan.events)
    ways = [Centinela(f"centinela-{count}-ingestion", workers=count) for count in (1, 2)]
    results = []
    for number in range(plan.rounds):
        for one in ways:
            results.append(measure(track, one, made, number, plan))
            print(line_of(results[-1]), flush=True)
    return [asdict(measured) for measured in results]


def _prepared(only: tuple[str, ...]) -> tuple[list[Contender], dict[str, str]]:
    chosen, skipped = [], {}
    for contender in contenders():
        if only and contender.name not in only:
            continue
        try:
            contender.prepare()
            chosen.append(contender)
        except NotHad as error:
            skipped[contender.name] = str(error)
            print(f"skipped: {error}", flush=True)
    return chosen, skipped


def line_of(measured: Measured) -> str:
    cpu = measured.cpu_s_per_million
    return (
        f"{measured.round} {measured.contender:<18} {measured.events_per_s:>10,.0f} events/s"
        f"  {cpu['contender']:>8.1f} CPU-s/M  redis {cpu['redis']:>6.1f}"
        f"  kafka {cpu['kafka']:>6.1f}  {measured.peak_rss_mb:>6.0f} MB"
        f"  {measured.seconds:.1f} s  {measured.compared} compared, {measured.differing} differ"
        f" {measured.fault}"
    )


def main(
    rounds: Annotated[int, typer.Option(help="Of all contenders.")] = 3,
    only: Annotated[str, typer.Option(help="Names, separated by commas.")] = "",
    events: Annotated[int, typer.Option(help="Events in the topic.")] = 1_500_000,
    seconds: Annotated[float, typer.Option(help="Measured of each, after its warm-up.")] = 6.0,
    pin: Annotated[bool, typer.Option(help="One core for the contender, one for the rest.")] = True,
) -> None:
    names = tuple(name for name in only.split(",") if name)
    plan = Plan(events, rounds, seconds, 1.0, names, pinned=pin)
    with on_core(0, pin), servers() as running:
        found = run(plan, Track(running, pin))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    typer.run(main)
