"""`POST /analyze`, open loop, beside what no implementation could be without.

    python -m scripts.bench.latency --json latency.json

A stack of its own on free ports: broker, Redis, both agents, the API, and this sender share the
machine. The floors are measured in the same run: the same HTTP server with a fixed answer, one
Kafka round trip, the same script call, the same forest.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import uvloop

from producer.records import actions_topic, decisions_topic, events_topic
from scripts.bench import floors
from scripts.bench.command import command
from scripts.bench.open_loop import Answer, Latencies, open_loop
from scripts.bench.stacks import PARTITIONS, Running, bodies, running_stack
from scripts.bench.topics import Ends, read

RATES = (20, 100, 300, 600)
CLIENTS = 10_000
SIZE = 100
SIZES = ((1, 100), (10, 100), (1_000, 10))
"""Other sizes of a batch, and how many a second."""
BREAKDOWN_RATE = 100
SHAPES = ((1, 1), (4, 1), (4, 2), (8, 2))
"""Partitions, and lanes of each agent."""


def run(quick: bool) -> dict[str, object]:
    seconds = 3 if quick else 6
    steady, hard = (RATES[:2], ()) if quick else (RATES[:2], RATES[2:])
    with running_stack("ingestion", "decision", "api") as stack:
        asked = Asked(stack)
        asked.loop(50 if quick else 400, SIZE, 100)
        loops, breakdown = [], {}
        for rate in steady:
            before = {agent: stack.steps(agent) for agent in ("ingestion", "decision")}
            answers = asked.loop(rate * seconds, SIZE, rate)
            loops.append(Latencies.of(rate, answers))
            if rate == BREAKDOWN_RATE:
                breakdown = _breakdown(stack, answers, before)
        sizes = {
            size: asdict(Latencies.of(rate, asked.loop(rate * seconds, size, rate)))
            for size, rate in SIZES
        }
        found = floors.measured(stack, quick)
        # Last: what these leave behind in the log would be in the way of the others.
        loops += [Latencies.of(r, asked.loop(r * seconds, SIZE, r)) for r in hard]
        ledger = stack.settled(asked.sent if asked.all_answered else asked.answered)
    mid = next(one for one in loops if one.rate_per_s == BREAKDOWN_RATE)
    return {
        "batch_of": SIZE,
        "loops": [asdict(one) for one in loops],
        "sizes": sizes,
        "breakdown_ms": breakdown,
        "floors_ms": found,
        "p50_over_floor": round(mid.p50_ms / found["sum"], 2),
        "ledger": {"sent": asked.sent, "answered": asked.answered, **ledger},
        "shapes": [] if quick else [_shaped(*shape) for shape in SHAPES],
    }


def _shaped(partitions: int, lanes: int) -> dict[str, object]:
    """The slowest rate once more, on so many partitions with so many lanes."""
    with running_stack("ingestion", "decision", "api", partitions=partitions, lanes=lanes) as stack:
        asked = Asked(stack)
        asked.loop(200, SIZE, 50)
        before = stack.steps("ingestion")["fold"][1]
        found = Latencies.of(RATES[0], asked.loop(6 * RATES[0], SIZE, RATES[0]))
        chunks = stack.steps("ingestion")["fold"][1] - before
    return {
        "partitions": partitions,
        "lanes": lanes,
        "chunks_a_batch": round(chunks / found.requests, 2),
        **asdict(found),
    }


@dataclass(slots=True)
class Asked:
    """What was asked of a stack so far, in events.

    Args:
        answered: Those that were answered with 200 or 202: accepted, so each must end.
    """

    stack: Running
    sent: int = 0
    answered: int = 0

    @property
    def all_answered(self) -> bool:
        return self.answered == self.sent

    def loop(self, batches: int, size: int, rate: float) -> list[Answer]:
        made = list(bodies(batches, size, CLIENTS, seed=next(_seeds)))
        gc.freeze()
        answers = uvloop.run(open_loop(self.stack.settings.api, "/analyze", made, rate))
        self.sent += size * batches
        self.answered += size * sum(answer.status in (200, 202) for answer in answers)
        self.stack.at_rest()
        return answers


_seeds = iter(range(1_000, 1_000_000))
"""Another for each loop: event ids must differ."""


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


if __name__ == "__main__":
    command(run, quick="Lower rates, for seconds.")
