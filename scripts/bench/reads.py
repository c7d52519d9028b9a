"""Features of 100 clients, ours and Feast's on one Redis, taking turns: `-m scripts.bench.reads`.

Ours is the read of the pipeline: one round trip with a script call for each partition, then the
window kernel, as of now. Feast's is `get_online_features` with as many features.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import numpy as np
import redis
import uvloop

from feature_store.fence import Commit, Turn
from feature_store.kernel import EventInputs, WindowKernel
from feature_store.online import RedisOnlineStore, connect
from producer.partitioning import partition_of
from scripts.bench.command import command
from scripts.bench.contenders.contender import NotHad, pinned, python_of
from scripts.bench.kernel import ACCESS_LIKE, START, traffic
from scripts.bench.servers import servers
from scripts.stack.settings import ROOT

REQUIREMENTS = Path(__file__).parent / "contenders" / "feast_reads" / "requirements.txt"
MODULE = "scripts.bench.contenders.feast_reads.job"
CLIENTS, ASKED, EVENTS_EACH, PARTITIONS, ROUNDS = 1_000, 100, 20, 4, 3


def run(quick: bool) -> dict[str, object]:
    reads = 100 if quick else 300
    names = [f"10.0.{number >> 8}.{number & 255}" for number in range(CLIENTS)]
    took: dict[str, list[float]] = {"centinela": [], "feast": []}
    found: dict[str, object] = {"clients": CLIENTS, "asked": ASKED, "features": _features()}
    with servers() as started, tempfile.TemporaryDirectory() as folder:
        url = started.settings.redis
        states = _states(names)
        uvloop.run(_write(url, states))
        try:
            with _feast(url, folder, reads) as feast:
                for _ in range(ROUNDS):
                    took["centinela"] += uvloop.run(_read(url, states, reads))
                    took["feast"] += feast()
            found["versions"] = dict(pinned(REQUIREMENTS))
        except NotHad as error:
            found["skipped"] = str(error)
            took = {"centinela": uvloop.run(_read(url, states, reads * ROUNDS))}
        found["redis"] = redis.Redis.from_url(url).info("server")["redis_version"]
    return found | {name: _summary(each) for name, each in took.items()}


def _features() -> int:
    return len(ACCESS_LIKE.features)


def _summary(took: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(took, [50, 99]).round(2).tolist()
    return {"reads": len(took), "p50_ms": p50, "p99_ms": p99}


def _states(names: list[str]) -> dict[str, bytes]:
    """Each client seen 20 times, a minute apart."""
    kernel, rng = WindowKernel(ACCESS_LIKE), np.random.default_rng(7)
    entity = np.tile(np.arange(len(names), dtype=np.int32), EVENTS_EACH)
    at = START + np.repeat(np.arange(EVENTS_EACH, dtype=np.int64), len(names)) * 60_000_000
    inputs: EventInputs = traffic(rng, at)
    folded = kernel.fold([b""] * len(names), entity, inputs)
    return dict(zip(names, folded.states, strict=True))


def _store(url: str) -> RedisOnlineStore:
    return RedisOnlineStore(connect(url), "bench", "client", timedelta(days=1))


async def _write(url: str, states: dict[str, bytes]) -> None:
    by_partition: dict[int, dict[str, bytes]] = {}
    for name, state in states.items():
        by_partition.setdefault(partition_of(name, PARTITIONS), {})[name] = state
    turns = [Turn(p, Commit(b"", b"{}", changed)) for p, changed in by_partition.items()]
    await _store(url).exchange(turns)


async def _read(url: str, states: dict[str, bytes], reads: int) -> list[float]:
    """Milliseconds of each read; the last one's features are held against the states written."""
    store, kernel, rng = _store(url), WindowKernel(ACCESS_LIKE), np.random.default_rng(7)
    names, took = list(states), []
    at = np.full(ASKED, START + EVENTS_EACH * 60_000_000, np.int64)
    for _ in range(reads):
        asked = [names[i] for i in rng.choice(len(names), ASKED, replace=False)]
        began = time.perf_counter()
        turns: dict[int, list[str]] = {}
        for name in asked:
            turns.setdefault(partition_of(name, PARTITIONS), []).append(name)
        replies = await store.exchange([Turn(p, None, those) for p, those in turns.items()])
        held = [state or b"" for reply in replies for state in reply.states]
        features = kernel.read(held, at)
        took.append(1000 * (time.perf_counter() - began))
    order = [name for those in turns.values() for name in those]
    expected = kernel.read([states[name] for name in order], at)
    np.testing.assert_array_equal(features, expected)
    return took


@contextmanager
def _feast(url: str, folder: str, reads: int) -> Iterator[Callable[[], list[float]]]:
    """A process of Feast's that holds the same clients; call it for a round of reads."""
    python = python_of("feast", REQUIREMENTS)
    command = [str(python), "-W", "ignore", "-m", MODULE, url, folder]
    command += [str(CLIENTS), str(_features()), str(reads)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "FEAST_USAGE": "False"}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=(Path(folder) / "log").open("wb"),
        text=True,
    )
    told, ask = process.stdout, process.stdin
    assert told is not None
    assert ask is not None

    def one_round() -> list[float]:
        with suppress(BrokenPipeError):
            ask.write("\n")
            ask.flush()
        for line in told:
            if line.startswith("["):
                took: list[float] = json.loads(line)
                return took
        said = (Path(folder) / "log").read_text(errors="replace").strip().splitlines()
        raise NotHad(f"feast: {said[-1] if said else 'ended'}")

    try:
        one_round()
        yield one_round
    finally:
        ask.close()
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    command(run, quick="Fewer reads.")
