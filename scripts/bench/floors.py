"""What a batch of 100 events costs at least, each part alone: HTTP, Kafka, Redis, model, plain."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import uvloop
from confluent_kafka import Consumer, Producer, TopicPartition

from feature_store.fence import Commit, Turn
from feature_store.online import RedisOnlineStore, connect
from models.artifacts import champion_of
from models.packs.access.events import AccessEvent
from producer.partitioning import partition_of
from scripts.bench.contenders.contender import Processes
from scripts.bench.contenders.j1 import State, add, answer, minute_of, new_state
from scripts.bench.open_loop import Latencies, open_loop
from scripts.bench.stacks import PARTITIONS, Running, bodies
from scripts.bench.topics import make_topic
from scripts.stack.health import is_listening
from scripts.stack.ports import free_ports
from scripts.stack.waiting import held_in_time

EMPTY_SCRIPT = "return ''"
HOPS = 2
SIZE = 100


def measured(stack: Running, quick: bool) -> dict[str, float]:
    """Medians in milliseconds; `sum` is F_http + 2 F_kafka + F_redis + F_model."""
    times = 100 if quick else 400
    body = next(bodies(1, SIZE, 10_000, seed=99))
    found = {"http": _http(body, 2 if quick else 5)}
    for slices in (1, 8):
        found[f"kafka_rtt_{slices}_slices"] = _kafka(stack, body, slices, times)
    found |= uvloop.run(_redis(stack, body, times))
    found["model"] = _model(times)
    found["plain"] = _plain(body, times)
    found["sum"] = (
        found["http"] + HOPS * found["kafka_rtt_1_slices"] + found["redis_real"] + found["model"]
    )
    return {name: round(value, 3) for name, value in found.items()}


def _median_ms(took_ns: list[int]) -> float:
    return float(np.median(took_ns)) / 1e6


def _http(body: bytes, seconds: int) -> float:
    """The API's server, the body decoded, an answer of the same size: open loop, 100 a second."""
    (port,) = free_ports(1)
    processes = Processes()
    command = [sys.executable, "-m", "uvicorn", "--log-level", "error", "--no-access-log"]
    command += ["--port", str(port), "scripts.bench.floor_app:app"]
    try:
        processes.launch(command, {}, Path("/dev/null"))
        if not held_in_time(lambda: is_listening("127.0.0.1", port), 20, lambda: None):
            raise TimeoutError("the floor's HTTP server did not start")
        url, requests = f"http://127.0.0.1:{port}", [body] * (100 * seconds)
        uvloop.run(open_loop(url, "/analyze", requests[:50], 100))
        answers = uvloop.run(open_loop(url, "/analyze", requests, 100))
    finally:
        processes.stop()
    return Latencies.of(100, answers).p50_ms


def _kafka(stack: Running, body: bytes, slices: int, times: int) -> float:
    """One message produced, acknowledged by all and consumed; or a batch in 8 of them."""
    kafka, topic = stack.settings.kafka, f"floor-{slices}"
    make_topic(kafka, topic, slices)
    producer = Producer({"bootstrap.servers": kafka, "acks": "all", "linger.ms": 0})
    options = {"bootstrap.servers": kafka, "group.id": "floor", "fetch.wait.max.ms": 500}
    consumer = Consumer({**options, "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, p, 0) for p in range(slices)])
    cut = [body[i::slices] for i in range(slices)]
    took = []
    for _ in range(times):
        began = time.perf_counter_ns()
        for partition, value in enumerate(cut):
            producer.produce(topic, value, partition=partition)
        producer.poll(0)
        left = slices
        while left:
            left -= consumer.poll(1.0) is not None
        took.append(time.perf_counter_ns() - began)
        producer.poll(0)
    consumer.close()
    return _median_ms(took[times // 10 :])


async def _redis(stack: Running, body: bytes, times: int) -> Mapping[str, float]:
    """The batch's clients: committed and read by the real script, and by one that does nothing."""
    redis = connect(stack.settings.redis)
    store = RedisOnlineStore(redis, "floor", "client", timedelta(days=1))
    clients = sorted({json.loads(line)["client_ip"] for line in body.split(b"\n")})
    by_partition: dict[int, list[str]] = {}
    for client in clients:
        by_partition.setdefault(partition_of(client, PARTITIONS), []).append(client)
    state, fence = b"s" * 300, [b""]

    async def real() -> None:
        expected, fence[0] = fence[0], b'{"offset":%d}' % time.time_ns()
        changes = {p: dict.fromkeys(names, state) for p, names in by_partition.items()}
        await store.exchange(
            [
                Turn(p, Commit(expected, fence[0], changed), list(changed))
                for p, changed in changes.items()
            ]
        )

    async def empty() -> None:
        pipeline = redis.pipeline(transaction=False)
        for names in by_partition.values():
            keys = [f"floor:{name}" for name in names]
            pipeline.eval(EMPTY_SCRIPT, 2 * len(keys), *keys, *keys, *([state] * len(keys)))
        await pipeline.execute()

    found = {"redis_real": await _timed(real, times), "redis_empty": await _timed(empty, times)}
    await redis.aclose()
    return found


async def _timed(call: Callable[[], Awaitable[None]], times: int) -> float:
    took = []
    for _ in range(times):
        began = time.perf_counter_ns()
        await call()
        took.append(time.perf_counter_ns() - began)
    return _median_ms(took[times // 10 :])


def _model(times: int) -> float:
    """The shipped forest on 100 rows."""
    champion = champion_of("access", None)
    shape = (SIZE, len(champion.manifest.features))
    rows = np.random.default_rng(7).lognormal(1.0, 1.0, shape).astype(np.float32)
    return _timed_call(lambda: champion.forest.score(rows), times)


def _plain(body: bytes, times: int) -> float:
    """The batch of job J1 in one process: decoded, folded into a dict, encoded; no forest."""
    decoder = msgspec.json.Decoder(AccessEvent)
    states: dict[str, State] = {}

    def judge() -> None:
        for event in decoder.decode_lines(body):
            state = states.setdefault(event.client_ip, new_state())
            row = add(state, minute_of(event.occurred_at), event.bytes, event.status)
            msgspec.json.encode(answer(event.event_id, event.client_ip, row[0], 0.5))

    return _timed_call(judge, times)


def _timed_call(call: Callable[[], object], times: int) -> float:
    took = []
    for _ in range(times):
        began = time.perf_counter_ns()
        call()
        took.append(time.perf_counter_ns() - began)
    return _median_ms(took[times // 10 :])
