"""Contenders one after another on a topic that is filled: events/s and CPU on one core.

    python -m scripts.bench.throughput --rounds 3 --only centinela,plain

Broker, Redis and this harness run on core 0, the contender with all its threads on core 1. What
counts is what comes out: events answered between the end of the warm-up and the last look.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Any

import typer

from scripts.bench.contenders.catalog import contenders
from scripts.bench.contenders.contender import Contender, NotHad
from scripts.bench.contenders.ours import Centinela
from scripts.bench.rounds import Measured, Plan, Track, measure, on_all_cores, on_core
from scripts.bench.servers import servers
from scripts.bench.workload import Workload, workload

ONCE = ("script", "crowdsec", "faust", "centinela-single")
"""Ten to a thousand times dearer than the others: no spread changes what there is to see."""


def run(plan: Plan, track: Track) -> dict[str, Any]:
    """All contenders in each round, round after round."""
    made = workload("zipf", plan.events)
    chosen, skipped = prepared(plan.only)
    runs = [
        (one, made, number)
        for number in range(plan.rounds)
        for one in chosen
        if not (number and one.name in ONCE)
    ]
    results = measured(track, runs, plan, skipped)
    told = {
        c.name: {"does": c.does, "lacks": c.lacks, "reads": c.reads, "versions": dict(c.versions())}
        for c in chosen
    }
    return {
        "plan": asdict(plan),
        "data": {made.name: {"events": made.events, "sha256": made.sha256}},
        "contenders": told,
        "skipped": skipped,
        "rounds": [asdict(one) for one in results],
    }


def measured(
    track: Track,
    runs: Iterable[tuple[Contender, Workload, int]],
    plan: Plan,
    skipped: dict[str, str],
) -> list[Measured]:
    """One run after another; a contender that cannot run is skipped from then on."""
    results: list[Measured] = []
    for contender, made, number in runs:
        if contender.name in skipped:
            continue
        try:
            results.append(measure(track, contender, made, number, plan))
            print(line_of(results[-1]), flush=True)
        except NotHad as error:
            skipped[contender.name] = str(error)
    return results


def workers(plan: Plan, track: Track) -> list[dict[str, Any]]:
    """Our agents on all cores, with one ingestion worker and with two, taking turns."""
    made = workload("zipf", plan.events)
    ways = [Centinela(f"centinela-{count}-ingestion", workers=count) for count in (1, 2)]
    runs = [(one, made, number) for number in range(plan.rounds) for one in ways]
    with on_all_cores(track.servers.pids.values()):
        return [asdict(one) for one in measured(track, runs, plan, {})]


def prepared(only: tuple[str, ...]) -> tuple[list[Contender], dict[str, str]]:
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
    spoilt = (
        f"  {measured.counted_again} of {measured.repeats} repeats again,"
        f" {measured.said} of {measured.malformed} malformed told"
    )
    return (
        f"{measured.round} {measured.workload:<8} {measured.contender:<18}"
        f" {measured.events_per_s:>10,.0f} events/s  {cpu['contender']:>8.1f} CPU-s/M"
        f"  redis {cpu['redis']:>6.1f}  kafka {cpu['kafka']:>6.1f}"
        f"  {measured.peak_rss_mb:>6.0f} MB"
        f"  {measured.seconds:.1f} s  {measured.compared} compared, {measured.differing} differ"
        f" {measured.fault}{spoilt if measured.malformed else ''}"
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
        found = run(plan, Track(running))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    typer.run(main)
