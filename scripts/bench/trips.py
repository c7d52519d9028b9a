"""Round trips to Redis for each chunk of a backlog: `python -m scripts.bench.trips`.

While a backlog is folded, the commit of one chunk and the reads for the next are one pipelined
round trip, with one script call for each partition in it. Redis itself counts the calls.
"""

from __future__ import annotations

import redis

from producer.publisher import Publisher, records_of
from scripts.bench.command import command
from scripts.bench.stacks import PARTITIONS, Running, batches_of, running_stack
from scripts.stack.processes import agents_and_api


def run(quick: bool) -> dict[str, object]:
    """Of a backlog, by batch size: `CENTINELA_TAKE_RECORDS` bounds what one chunk can hold."""
    events = 20_000 if quick else 100_000
    sizes = (200,) if quick else (20, 200)
    return {f"{size} events a record": _folded(events, size) for size in sizes}


def _folded(events: int, size: int) -> dict[str, object]:
    with running_stack() as stack:
        sent = _publish(stack, events, size)
        store = redis.Redis.from_url(stack.settings.redis)
        store.config_resetstat()
        ingestion = agents_and_api(stack.settings)[0]
        stack.servers.supervisor.launch(ingestion)
        stack.servers.supervisor.await_healthy()
        stack.folded("access", sent)
        steps = stack.steps("ingestion")
        calls = store.info("commandstats")
        scripts = int(calls.get("cmdstat_evalsha", {}).get("calls", 0))
        chunks, exchanges = int(steps["fold"][1]), int(steps["store"][1])
        return {
            "events": sent,
            "chunks": chunks,
            "exchanges": exchanges,
            "exchanges_a_chunk": round(exchanges / chunks, 3),
            "script_calls": scripts,
            "script_calls_an_exchange": round(scripts / exchanges, 2),
            "partitions": PARTITIONS,
            "ledger": stack.totals("access"),
        }


def _publish(stack: Running, events: int, size: int) -> int:
    with Publisher(stack.settings.kafka, linger_ms=5) as publisher:
        for batch in batches_of(events // (size * PARTITIONS), size * PARTITIONS, 10_000, seed=17):
            for record in records_of("access", batch, PARTITIONS):
                publisher.put(record, lambda error, message: None)
        publisher.flush(60)
    return events // (size * PARTITIONS) * size * PARTITIONS


if __name__ == "__main__":
    command(run, quick="20,000 events.")
