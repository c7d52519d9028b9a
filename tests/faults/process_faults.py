"""P: what happens to our own processes."""

from __future__ import annotations

import itertools
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator

from tests.faults import dying, ledger, raising
from tests.faults.catalogue import Outcome, fault
from tests.faults.cluster import STAGES, Cluster, Clusters, NotSettled
from tests.faults.journal import Line, Producer, traffic
from tests.faults.processes import Process
from tests.faults.supervising import supervised

RATE = 300.0
"""Events a second while faults happen: two cores run everything."""
SESSION_S = 6.0
FROZEN_S = 9.0
LEFT_WITHIN_S = 10.0
CAUGHT_UP_S = 60.0
KILLS = 30
POISONED = 100
"""One event of so many breaks our code."""


@fault(
    "P1",
    "kill -9 an ingestion worker mid-batch",
    passes="nothing missing, nothing twice, state exact",
    times=60,
    quick=4,
)
def kill_ingestion(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    with (
        clusters() as cluster,
        Producer(cluster.kafka, rate=RATE, seed=chance.randrange(10**6)) as producer,
    ):
        for number in range(times):
            time.sleep(chance.uniform(0.2, 1.2))
            kill_and_restart(cluster, cluster.worker("ingestion", number % 2), outcome)
        producer.stop()
        outcome.add(ledger.check(cluster, producer.journal))
    return outcome


@fault(
    "P2",
    "a worker ends between any two steps of its loop",
    passes="each of 7 steps 20 times, half in each stage; repeats equal to the byte",
    times=140,
)
def die_at_seams(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    each = max(1, times // (len(STAGES) * len(dying.SEAMS)))
    for stage in STAGES:
        seams = list(dying.SEAMS) * each
        chance.shuffle(seams)
        with (
            clusters() as cluster,
            Producer(cluster.kafka, rate=RATE, seed=chance.randrange(10**6)) as producer,
        ):
            done = _die_at_each(cluster, stage, seams, chance)
            producer.stop()
            outcome.add(ledger.check(cluster, producer.journal))
        outcome.times += done.total()
        outcome.require(
            all(done[seam] >= each for seam in dying.SEAMS), f"{stage}: died at {dict(done)}"
        )
    return outcome


def _die_at_each(
    cluster: Cluster, stage: str, seams: list[str], chance: random.Random
) -> Counter[str]:
    """Both workers die over and over, each life at the next seam; in the end they live."""
    done: Counter[str] = Counter()
    doomed: dict[str, str] = {}
    for worker in cluster.workers[stage]:
        worker.kill()
    deadline = time.monotonic() + 60 + 15 * len(seams)
    while seams or doomed:
        assert time.monotonic() < deadline, f"{stage}: {len(seams)} steps left, alive at {doomed}"
        for worker in cluster.workers[stage]:
            if worker.is_running:
                continue
            if seam := doomed.pop(worker.name, ""):
                assert worker.wait(1) == -9, worker.last_words()
                done[seam] += 1
            if seams:
                doomed[worker.name] = seams.pop()
                _start_doomed(worker, stage, doomed[worker.name], chance.randint(1, 4))
        time.sleep(0.05)
    for worker in cluster.workers[stage]:
        worker.command = (*worker.command[:2], f"stream_agents.{stage}")
        worker.start()
    return done


def _start_doomed(worker: Process, stage: str, seam: str, after: int) -> None:
    worker.command = (*worker.command[:2], "tests.faults.dying")
    doom = {dying.ENV_STAGE: stage, dying.ENV_SEAM: seam, dying.ENV_AFTER: str(after)}
    worker.environment = {**worker.environment, **doom}
    worker.start(wait=False)


@fault(
    "P3",
    "SIGTERM under load",
    passes="exit 0 within 10 s, no repeats",
    times=20,
    quick=2,
)
def terminate(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome, left_s = Outcome(), 0.0
    with (
        clusters() as cluster,
        Producer(cluster.kafka, rate=RATE, seed=chance.randrange(10**6)) as producer,
    ):
        for number in range(times):
            time.sleep(chance.uniform(0.3, 1.5))
            worker = cluster.worker(("ingestion", "decision")[number % 2], number // 2 % 2)
            told = time.monotonic()
            code = worker.term()
            left_s = max(left_s, time.monotonic() - told)
            outcome.require(code == 0, f"{worker.name} left with {code}: {worker.last_words()}")
            _start_again(cluster, worker, outcome)
        producer.stop()
        outcome.add(ledger.check(cluster, producer.journal))
    assert outcome.verdict is not None
    outcome.require(left_s < LEFT_WITHIN_S, f"left after {left_s:.1f} s")
    outcome.require(outcome.verdict.repeats == 0, f"{outcome.verdict.repeats} records repeated")
    outcome.figures["slowest to leave, s"] = left_s
    return outcome


@fault(
    "P4",
    "SIGSTOP past the session time-out, then SIGCONT",
    passes="another worker takes over; what the frozen one writes late is refused",
    times=16,
    quick=1,
)
def freeze(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome, refused = Outcome(), 0
    with (
        clusters() as cluster,
        Producer(cluster.kafka, rate=RATE, seed=chance.randrange(10**6)) as producer,
    ):
        for number in range(times):
            time.sleep(chance.uniform(0.2, 0.8))
            worker = cluster.worker(("ingestion", "decision")[number % 2], number // 2 % 2)
            worker.stop()
            time.sleep(FROZEN_S)
            waiting = cluster.ends()
            taken_over_s = cluster.await_answered(waiting, 30)
            worker.cont()
            outcome.recovery_s.append(taken_over_s)
            waiting = cluster.ends()
            cluster.await_answered(waiting)
            worker.await_healthy(30)
            outcome.times += 1
        producer.stop()
        outcome.add(ledger.check(cluster, producer.journal))
        refused = sum(_refusals(process) for process in cluster.processes)
    outcome.figures["late writes refused by the fence"] = refused
    outcome.note = "recovery is what the worker beside it took once it had the partitions"
    return outcome


def _refusals(process: Process) -> int:
    return process.said().count('"fence moved by another, copy dropped"')


@fault(
    "P5",
    "a schedule of 30 kills -9, 0.1 to 1 s apart, of all workers",
    passes="all answered 60 s after the last",
    times=10,
)
def kill_schedule(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome, kills = Outcome(), 0
    with (
        clusters() as cluster,
        Producer(cluster.kafka, rate=RATE, seed=chance.randrange(10**6)) as producer,
        supervised(cluster) as watch,
    ):
        for _ in range(times):
            for _ in range(KILLS):
                time.sleep(chance.uniform(0.1, 1.0))
                _kill_one(cluster, chance)
            recovered_s = cluster.await_answered(cluster.ends(), 2 * CAUGHT_UP_S)
            outcome.require(recovered_s < CAUGHT_UP_S, f"caught up after {recovered_s:.0f} s")
            outcome.recovery_s.append(recovered_s)
        producer.stop()
        outcome.add(ledger.check(cluster, producer.journal))
        kills = watch.codes(-9)
        outcome.require(kills == len(watch.ends), f"ended by themselves: {set(watch.ends)}")
    outcome.times = kills
    return outcome


@fault(
    "P6",
    "an exception in features, score, explanation or policy, for 1 % of events",
    passes="a dead letter each, all others answered; the loop lives",
    times=1,
    quick=1,
)
def raise_within(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    seed = chance.randrange(10**6)
    events = 20_000 * times
    seconds: dict[str, float] = {}
    for name, lines in (("clean", traffic(seed)), ("raising", _poisoned(seed))):
        with clusters(0, 0) as cluster:
            producer = Producer(cluster.kafka, lines=lines)
            for _ in range(events // 1_000):
                producer.send_next(1_000)
            producer.flush()
            seconds[name] = _drained_s(cluster)
            producer.stop()
            with raising.broken_parts():
                outcome.add(ledger.check(cluster, producer.journal))
            outcome.require(all(p.is_running for p in cluster.processes), "a worker has ended")
    outcome.times = events // POISONED
    outcome.figures["rate, of that without, %"] = 100 * seconds["clean"] / seconds["raising"]
    outcome.figures["events/s with 1 % raising"] = events / seconds["raising"]
    return outcome


def _drained_s(cluster: Cluster) -> float:
    """Seconds from the first record folded until all are answered."""
    for stage in STAGES:
        cluster.add_worker(
            stage, module="tests.faults.raising", environment={dying.ENV_STAGE: stage}
        )
    waiting = cluster.behind()
    deadline = time.monotonic() + 60
    while cluster.behind() == waiting:
        if time.monotonic() > deadline:
            raise NotSettled("no record was folded within 60 s")
        time.sleep(0.02)
    return cluster.await_settled(300)


def _poisoned(seed: int) -> Iterator[Line]:
    """The seeded traffic; each hundredth event has an id that breaks a part."""
    parts = itertools.cycle(raising.PARTS)
    for number, (event_id, client, line) in enumerate(traffic(seed)):
        if number % POISONED == 50 and event_id.startswith(f"{seed}-"):
            broken = raising.id_of(next(parts), number)
            yield broken, client, line.replace(event_id.encode(), broken.encode(), 1)
        else:
            yield event_id, client, line


def kill_and_restart(cluster: Cluster, worker: Process, outcome: Outcome) -> None:
    """kill -9, start again at once, and time until all that waited then is answered."""
    worker.kill()
    _start_again(cluster, worker, outcome)


def _start_again(cluster: Cluster, worker: Process, outcome: Outcome) -> None:
    ended = time.monotonic()
    waiting = cluster.ends()
    worker.start()
    cluster.await_answered(waiting)
    outcome.recovery_s.append(time.monotonic() - ended)
    outcome.times += 1


def _kill_one(cluster: Cluster, chance: random.Random) -> None:
    if alive := [process for process in cluster.processes if process.is_running]:
        chance.choice(alive).send(signal.SIGKILL)
