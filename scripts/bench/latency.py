"""`POST /analyze`, open loop, beside what no implementation could be without.

    python -m scripts.bench.latency --json latency.json

A stack of its own on free ports: broker, Redis, both agents, the API, and this sender share the
machine. The floors are measured in the same run: the same HTTP server with a fixed answer, one
Kafka round trip, the same script call, the same forest.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from producer.records import actions_topic, decisions_topic, events_topic
from scripts.bench import floors
from scripts.bench.open_loop import Answer, Latencies, open_loop
from scripts.bench.stacks import PARTITIONS, Running, bodies, running_stack
from scripts.bench.topics import Ends, read

RATES = (20, 100, 300, 600)
CLIENTS = 10_000
SIZE = 100
BREAKDOWN_RATE = 100


def run(quick: bool) -> dict[str, object]:
    seconds = 3 if quick else 8
    rates = RATES[:2] if quick else RATES
    with running_stack("ingestion", "decision", "api") as stack:
        warm = _asked(stack, 50 if quick else 400, SIZE, 100)
        sent = _events([warm], SIZE)
        loops, breakdown = [], {}
        for rate in rates:
            before = {agent: stack.steps(agent) for agent in ("ingestion", "decision")}
            answers = _asked(stack, rate * seconds, SIZE, rate)
            sent += _events([answers], SIZE)
            loops.append(asdict(Latencies.of(rate, answers)))
            if rate == BREAKDOWN_RATE:
                breakdown = _breakdown(stack, answers, before)
        single = _asked(stack, 100 * seconds, 1, 100)
        sent += _events([single], 1)
        ledger = stack.settled(sent)
        found = floors.measured(stack, quick)
    mid = next(one for one in loops if one["rate_per_s"] == BREAKDOWN_RATE)
    return {
        "batch_of": SIZE,
        "loops": loops,
        "single_event": asdict(Latencies.of(100, single)),
        "breakdown_ms": breakdown,
        "floors_ms": found,
        "p50_over_floor": round(mid["p50_ms"] / found["sum"], 2),
        "ledger": {"sent": sent, **ledger},
    }


def _asked(stack: Running, batches: int, size: int, rate: float) -> list[Answer]:
    made = list(bodies(batches, size, CLIENTS, seed=_seed()))
    gc.freeze()
    return uvloop.run(open_loop(stack.settings.api, "/analyze", made, rate))


_seeds = iter(range(1_000, 1_000_000))


def _seed() -> int:
    """Another for each batch of bodies: event ids must differ."""
    return next(_seeds)


def _events(asked: Sequence[Sequence[Answer]], size: int) -> int:
    return size * sum(len(answers) for answers in asked)


def _breakdown(
    stack: Running,
    answers: Sequence[Answer],
    before: dict[str, dict[str, tuple[float, float]]],
) -> dict[str, object]:
    """Where a batch's time goes: means over batches, by Kafka's record times; and the steps.

    A batch is as late as its last part, so of its records the newest counts at each hop.
    """
    times: dict[str, dict[str, float]] = {}
    topics = {"events": events_topic, "decisions": decisions_topic, "actions": actions_topic}
    for name, topic in topics.items():
        kafka = stack.settings.kafka
        ends = Ends(kafka, topic("access"), PARTITIONS).now()
        for message in read(kafka, topic("access"), ends):
            batch = dict(message.headers() or ()).get("batch")
            if isinstance(batch, bytes):
                at = times.setdefault(batch.decode(), {})
                at[name] = max(at.get(name, 0.0), message.timestamp()[1] / 1000)
    whole = [(a, times[a.batch]) for a in answers if len(times.get(a.batch, ())) == len(topics)]
    spans = {
        "until it is sent": [a.sent_s - a.due_s for a, _ in whole],
        "door: until it is in events": [t["events"] - a.sent_s for a, t in whole],
        "ingestion: until it is in decisions": [t["decisions"] - t["events"] for _, t in whole],
        "decision: until it is in actions": [t["actions"] - t["decisions"] for _, t in whole],
        "reply: until the answer is read": [a.answered_s - t["actions"] for a, t in whole],
    }
    means = {name: round(1000 * sum(took) / len(took), 2) for name, took in spans.items()}
    steps = {
        agent: {
            step: round(1000 * (total - was[0]) / max(1, count - was[1]), 3)
            for step, (total, count) in stack.steps(agent).items()
            if (was := before[agent].get(step, (0.0, 0.0)))
        }
        for agent in ("ingestion", "decision")
    }
    return {"batches": len(whole), "spans": means, "steps": steps}


def main(
    quick: Annotated[bool, typer.Option(help="Lower rates, for seconds.")] = False,
    file: Annotated[Path | None, typer.Option("--json", help="Where to write the figures.")] = None,
) -> None:
    found = json.dumps(run(quick), indent=1)
    print(found)
    if file:
        file.write_text(found)


if __name__ == "__main__":
    typer.run(main)
