"""O: the model that judges, spoilt, swapped, or of another make."""

from __future__ import annotations

import asyncio
import random
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path

from msgspec.structs import replace

from models import artifacts, text_artifacts
from models.artifacts import Manifest, champion_of, sealed
from models.catalog import pack_named
from models.manifests import CHAMPIONS, read_manifest, write_manifest
from producer.records import Record
from stream_agents.answers import MemoryResults
from stream_agents.engine import Decision, Detection
from stream_agents.memory import MemoryBroker, MemoryLog, MemoryStore
from stream_agents.metrics import StageMetrics
from stream_agents.stage import Stage
from stream_agents.worker import Worker
from tests.faults.catalogue import Outcome, fault
from tests.faults.cluster import ACTIONS, DECISIONS, EVENTS, PACK, Cluster, Clusters
from tests.faults.events import first_copies
from tests.faults.journal import Producer
from tests.faults.oracle import source_of
from tests.faults.processes import Process
from tests.topics import read_topic

RATE = 400.0
REFUSED_WITHIN_S = 30.0
Spoil = Callable[[Path], object]

Answers = Mapping[tuple[int, int], bytes]
"""Partition and source offset to a record's value."""


@fault(
    "O1",
    "a model's files are cut, changed by a bit, swapped or gone",
    passes="running workers go on; a start refuses, names the file, and serves once it is mended",
    times=8,
)
def spoilt(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome(note="each field of a manifest: tests/unit/models/test_artifacts.py")
    kinds = list(_spoilings(chance).items())
    chance.shuffle(kinds)
    with clusters(0, 1) as cluster:
        folder = _champion(cluster, "own")
        told = {"CENTINELA_CHAMPION": str(folder)}
        running = cluster.add_worker("ingestion", environment=told)
        cluster.await_healthy()
        starting = cluster.add_worker("ingestion", environment=told, start=False)
        with Producer(cluster.kafka, rate=RATE, seed=chance.randrange(10**6)) as producer:
            for kind, (file, spoil) in kinds[:times]:
                whole = (folder / file).read_bytes()
                spoil(folder / file)
                _require_refused(outcome, starting, kind, str(folder))
                is_on = running.is_running and cluster.await_answered(cluster.ends()) < 60
                outcome.require(is_on, f"{kind}: the running worker stands still")
                (folder / file).write_bytes(whole)
                outcome.times += 1
            starting.start()
            producer.stop()
            _check(outcome, cluster, producer, [folder])
    return outcome


@fault(
    "O2",
    "the model is swapped under load, worker after worker",
    passes="each answer has one version and is that model's; the first copy counts",
    times=20,
)
def swapped(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome(note="a swap is a restart: docs/how-to/swap-a-model.md")
    with clusters(0, 2) as cluster:
        folders = [_champion(cluster, name) for name in ("blue", "green")]
        _recalibrate(folders[1])
        for _ in range(2):
            environment = {"CENTINELA_CHAMPION": str(folders[0])}
            cluster.add_worker("ingestion", environment=environment)
        cluster.await_healthy()
        turns = cycle([folders[1], folders[1], folders[0], folders[0]])
        with Producer(cluster.kafka, rate=RATE, seed=chance.randrange(10**6)) as producer:
            for number in range(times):
                time.sleep(chance.uniform(0.2, 1.0))
                worker = cluster.worker("ingestion", number % 2)
                # Every third is killed: the chunk that it had emitted is redone by another.
                if number % 3 == 0:
                    worker.kill()
                else:
                    code = worker.term(90)
                    outcome.require(code == 0, f"{worker.name} ended with {code}")
                champion = {"CENTINELA_CHAMPION": str(next(turns))}
                worker.environment = {**worker.environment, **champion}
                began = time.monotonic()
                worker.start()
                cluster.await_answered(cluster.ends())
                outcome.recovery_s.append(time.monotonic() - began)
                outcome.times += 1
            producer.stop()
            _check(outcome, cluster, producer, folders)
    return outcome


@fault(
    "O3",
    "a model that wants features the pack does not have, or fewer than it was made of",
    passes="refused before the group is joined, and the feature or file is named",
    times=3,
)
def other_features(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome(note="orders and counts: tests/unit/models/test_artifacts.py")
    changes: Mapping[str, Callable[[Manifest], Manifest]] = {
        "unknown": lambda of: replace(of, features=("client_shoe_size", *of.features[1:])),
        "fewer": lambda of: replace(of, features=of.features[:-1]),
        "twice": lambda of: replace(of, features=(*of.features, of.features[0])),
        "without its statistics": lambda of: replace(of, statistics={}),
        "another order, unsealed": lambda of: replace(of, features=of.features[::-1]),
    }
    with clusters(0, 0) as cluster:
        for kind, change in list(changes.items()):
            folder = _champion(cluster, kind.replace(" ", "-").replace(",", ""))
            _rewrite(folder, change, is_sealed="unsealed" not in kind)
            told = {"CENTINELA_CHAMPION": str(folder)}
            worker = cluster.add_worker("ingestion", environment=told, start=False)
            _require_refused(outcome, worker, kind, str(folder))
            outcome.times += 1
    return outcome


def _champion(cluster: Cluster, name: str) -> Path:
    """A copy of the shipped champion."""
    return Path(shutil.copytree(CHAMPIONS / PACK, cluster.folder / name))


def _spoilings(chance: random.Random) -> dict[str, tuple[str, Spoil]]:
    """What happens to which of a champion's files."""

    def flip(file: Path) -> None:
        content = bytearray(file.read_bytes())
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        file.write_bytes(bytes(content))

    def cut(file: Path) -> None:
        content = file.read_bytes()
        file.write_bytes(content[: chance.randrange(len(content))])

    def empty(file: Path) -> None:
        file.write_bytes(b"")

    files = (artifacts.MODEL, artifacts.MANIFEST, text_artifacts.WEIGHTS, text_artifacts.MANIFEST)
    spoilings: Sequence[Spoil] = (flip, cut, empty, Path.unlink)
    return {
        f"{file}: {getattr(spoil, '__name__', spoil)}": (file, spoil)
        for file in files
        for spoil in spoilings
    }


def _rewrite(folder: Path, change: Callable[[Manifest], Manifest], *, is_sealed: bool) -> None:
    changed = change(read_manifest(folder / artifacts.MANIFEST, Manifest))
    model = (folder / artifacts.MODEL).read_bytes()
    whole = sealed(model, changed) if is_sealed else changed
    write_manifest(folder / artifacts.MANIFEST, whole)


def _recalibrate(folder: Path) -> None:
    """Another model: all scores are half as high."""

    def halved(of: Manifest) -> Manifest:
        score = tuple(value / 2 for value in of.calibration.score)
        return replace(of, calibration=replace(of.calibration, score=score))

    _rewrite(folder, halved, is_sealed=True)


def _require_refused(outcome: Outcome, worker: Process, kind: str, names: str) -> None:
    """Started, it ends by itself with an error that names the folder."""
    before = len(worker.said())
    worker.start(wait=False)
    code = worker.wait(REFUSED_WITHIN_S)
    said = worker.said()[before:]
    outcome.require(code not in (0, None), f"{kind}: it ends with {code}")
    outcome.require(names in said and "InvalidArtifact" in said, f"{kind}: {said[-500:]}")


def _check(outcome: Outcome, cluster: Cluster, producer: Producer, folders: Sequence[Path]) -> None:
    """Each event record is answered, by one of the models alone, and decided upon that answer."""
    cluster.await_settled()
    events = read_topic(cluster.kafka, EVENTS)
    scored = {at: log for at, log in enumerate(read_topic(cluster.kafka, DECISIONS))}
    first = {(p, r.offset): r for p, log in scored.items() for r in first_copies(log)}
    answered = {(p, source_of(r)[1]): r.value for (p, _), r in first.items()}
    books = {champion_of(PACK, each).version: _scored_by(events, each) for each in folders}
    counted = dict.fromkeys(books, 0)
    for log in events:
        for record in log:
            place = (record.partition, record.offset)
            by = [v for v, book in books.items() if book[place] == answered.get(place)]
            outcome.require(bool(by), f"{place} is answered by no model alone")
            counted[by[0] if by else ""] = counted.get(by[0] if by else "", 0) + 1
    acted = _first_values(read_topic(cluster.kafka, ACTIONS))
    due = _acted_on(scored)
    outcome.require(acted == due, f"{len(set(acted.items()) ^ set(due.items()))} actions differ")
    acked = {(sent.partition, sent.offset) for sent in producer.journal.acked}
    outcome.require(acked <= set(answered), f"{len(acked - set(answered))} are not answered")
    outcome.figures |= {f"records judged by {v}": str(n) for v, n in counted.items()}
    if len(books) > 1:
        outcome.require(min(counted.values()) > 0, f"a model has judged nothing: {counted}")


def _scored_by(events: Sequence[Sequence[Record]], folder: Path) -> Answers:
    """What a model alone would have answered."""
    pack = pack_named(PACK)
    return _folded(events, EVENTS, DECISIONS, Detection(pack, champion_of(PACK, folder)))


def _acted_on(scored: Mapping[int, Sequence[Record]]) -> Answers:
    """What the answers to the log of decisions must be."""
    logs = [list(scored[partition]) for partition in sorted(scored)]
    return _folded(logs, DECISIONS, ACTIONS, Decision(pack_named(PACK), MemoryResults()))


def _folded(logs: Sequence[Sequence[Record]], topic: str, onto: str, stage: Stage) -> Answers:
    broker, store = MemoryBroker(lambda: 0), MemoryStore()
    for name in (EVENTS, DECISIONS, ACTIONS):
        broker.create(name, len(logs))
    broker.create("dead-letter", 1)
    source = broker.topics[topic]
    source.partitions = [list(log) for log in logs]
    source.ends = [len(log) for log in logs]
    asyncio.run(_drained(broker, topic, stage, store))
    return _first_values(broker.topics[onto].partitions)


def _first_values(logs: Sequence[Sequence[Record]]) -> Answers:
    return {
        (record.partition, source_of(record)[1]): record.value
        for log in logs
        for record in first_copies(log)
    }


async def _drained(broker: MemoryBroker, topic: str, stage: Stage, store: MemoryStore) -> None:
    transport, source = MemoryLog(broker, topic), broker.topics[topic]
    worker = Worker(stage, store, transport, source.id, StageMetrics(PACK, "oracle"))
    transport.assign(await worker.assigned(range(len(source.partitions))))
    while records := transport.take(50):
        await worker.process(records)
    await worker.settle()
