"""One contender in one round: started, watched, ended, and what it came to."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import redis

from producer.records import events_topic
from scripts.bench import usage
from scripts.bench.answers import Counted, counted
from scripts.bench.contenders.contender import Contender, Job, NotHad
from scripts.bench.contenders.ours import OUT_TOPIC
from scripts.bench.servers import Servers
from scripts.bench.topics import Ends, fill, make_topic
from scripts.bench.workload import Workload
from scripts.stack.settings import LocalStack

PARTITIONS = 4
LOOK_EVERY_S = 0.25
FIRST_ANSWER_WITHIN_S = 120.0
FINISHED_AFTER_S = 2.0
"""Nothing new for so long, and the contender has come to the end of the topic."""
USUAL_WARM_UP_S = 5.0
CORES = sorted(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Plan:
    """How long each contender runs: `measured_s` after its warm-up."""

    events: int = 1_500_000
    rounds: int = 3
    measured_s: float = 6.0
    warm_up_share: float = 1.0
    only: tuple[str, ...] = ()
    pinned: bool = True

    def warm_up_s(self, contender: Contender) -> float:
        """A share of the usual time, and all that a compiler needs beyond it."""
        return contender.warm_up_s - (1 - self.warm_up_share) * USUAL_WARM_UP_S


@dataclass(frozen=True, slots=True)
class Look:
    """What is seen at one moment."""

    at_s: float
    ends: dict[int, int]
    answered: int | None
    cpu_s: dict[str, float]
    rss_mb: float

    @property
    def progress(self) -> int:
        return sum(self.ends.values()) if self.answered is None else self.answered


@dataclass(frozen=True, slots=True)
class Measured:
    """One contender in one round.

    Args:
        cpu_s_per_million: Of the contender, of Redis, and of the broker.
        first_answer_s: From its start to its first answer.
        compared: Answers held against a fold of our own; `differing` of them were not equal.
        repeats: And what follows: see `Told`.
    """

    contender: str
    workload: str
    round: int
    events: int
    seconds: float
    events_per_s: float
    cpu_s_per_million: dict[str, float]
    peak_rss_mb: float
    first_answer_s: float
    compared: int
    differing: int
    fault: str = ""
    repeats: int = 0
    counted_again: int = 0
    malformed: int = 0
    said: int = 0


@dataclass(slots=True)
class Track:
    """The servers and topics, set up as contenders need them; one broker for each shape."""

    servers: Servers
    _stacks: dict[str, LocalStack] = field(default_factory=dict)
    _fed: dict[str, Workload] = field(default_factory=dict)

    def stack(self, made: Workload, contender: Contender) -> LocalStack:
        """A broker whose one topic of events holds these, in the shape that the contender reads."""
        shape = shape_of(contender)
        if shape not in self._stacks:
            self._stacks[shape] = self.servers.broker(shape)
        stack = self._stacks[shape]
        if self._fed.get(shape) != made:
            topic = events_topic("access")
            make_topic(stack.kafka, topic, PARTITIONS)
            fill(stack.kafka, topic, PARTITIONS, made, shape)
            self._fed[shape] = made
        return stack

    def pids(self, contender: Contender) -> Mapping[str, int]:
        """Of the servers that a contender uses."""
        pids = self.servers.pids
        return {"kafka": pids[f"kafka-{shape_of(contender)}"], "redis": pids["redis"]}


def shape_of(contender: Contender) -> Literal["single", "batched"]:
    return "batched" if contender.reads == "batched" else "single"


@contextmanager
def on_all_cores(pids: Iterable[int]) -> Iterator[None]:
    """These, which run already, are kept to no core meanwhile, nor is what is started."""
    before, all_of_us = os.sched_getaffinity(0), (os.getpid(), *pids)
    usage.pin(all_of_us, {*CORES})
    try:
        yield
    finally:
        usage.pin(all_of_us, before)


@contextmanager
def on_core(number: int, pinned: bool) -> Iterator[None]:
    """What is started meanwhile runs on this core, with all that it starts."""
    before = os.sched_getaffinity(0)
    if pinned and len(CORES) > 1:
        os.sched_setaffinity(0, {CORES[number]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def measure(
    track: Track, contender: Contender, made: Workload, number: int, plan: Plan
) -> Measured:
    """Run one contender once."""
    stack = track.stack(made, contender)
    redis.Redis.from_url(stack.redis).flushall()
    ours = contender.name.startswith("centinela")
    out = OUT_TOPIC if ours else f"out.{contender.name}.{number}"
    make_topic(stack.kafka, out, PARTITIONS)
    with TemporaryDirectory(prefix="bench-job-") as folder:
        job = Job(
            stack.kafka,
            stack.redis,
            events_topic("access"),
            out,
            PARTITIONS,
            f"bench-{contender.name}-{number}-{time.time_ns()}",
            made.model,
            made.samples,
            made.log,
            Path(folder),
        )
        try:
            looks = _watch(contender, job, track.pids(contender), plan)
        finally:
            contender.stop()
        return _result(contender, made, number, looks, job, plan)


def _watch(contender: Contender, job: Job, others: Mapping[str, int], plan: Plan) -> list[Look]:
    """Looks from the start to the end of the measured time; the first is before the start."""
    ends = Ends(job.kafka, job.out_topic, job.partitions)
    looks = [_look(ends, contender, (), others)]
    with on_core(1, plan.pinned):
        pids = contender.start(job)
    first: float | None = None
    while True:
        time.sleep(LOOK_EVERY_S)
        looks.append(_look(ends, contender, pids, others))
        now = looks[-1].at_s
        if first is None:
            if looks[-1].progress > 0:
                first = now
            elif now - looks[0].at_s > FIRST_ANSWER_WITHIN_S:
                raise NotHad(f"{contender.name}: no answer in time: {_last_words(job.folder)}")
            continue
        if now - first > plan.warm_up_s(contender) + plan.measured_s:
            return looks
        if _stands_still(looks):
            return looks


def _last_words(folder: Path) -> str:
    logs = sorted(folder.glob("*log"), key=lambda path: path.stat().st_mtime)
    lines = [line for path in logs for line in path.read_text(errors="replace").splitlines()]
    return " | ".join(line.strip()[:300] for line in lines[-3:])


def _stands_still(looks: Sequence[Look]) -> bool:
    back = int(FINISHED_AFTER_S / LOOK_EVERY_S)
    return len(looks) > back and looks[-back].progress == looks[-1].progress


def _look(ends: Ends, contender: Contender, pids: Sequence[int], others: Mapping[str, int]) -> Look:
    answered, at = contender.answered(), ends.now()
    alive = usage.family(pids)
    cpu = {name: usage.cpu_s([pid]) for name, pid in others.items()}
    cpu["contender"] = usage.cpu_s(alive)
    return Look(time.monotonic(), at, answered, cpu, usage.rss_mb(alive))


def _result(
    contender: Contender, made: Workload, number: int, looks: list[Look], job: Job, plan: Plan
) -> Measured:
    began = next(look for look in looks if look.progress > 0)
    last = next(
        look
        for before, look in reversed(list(zip(looks, looks[1:], strict=False)))
        if look.progress > before.progress
    )
    # Whoever is through sooner is measured over the second half of its time.
    warm = min(plan.warm_up_s(contender), (last.at_s - began.at_s) / 2)
    first = next(look for look in looks if look.at_s >= began.at_s + warm)
    first = first if first is not last else looks[looks.index(last) - 1]
    count = counted(contender, made, job, last.ends)
    events = _between(count, first, last)
    seconds = max(last.at_s - first.at_s, LOOK_EVERY_S)
    millions = max(events, 1) / 1e6
    spent = {name: last.cpu_s[name] - first.cpu_s[name] for name in last.cpu_s}
    return Measured(
        contender.name,
        made.name,
        number,
        events,
        round(seconds, 2),
        round(events / seconds, 1),
        {name: round(s / millions, 2) for name, s in spent.items()},
        round(max(look.rss_mb for look in looks), 1),
        round(began.at_s - looks[0].at_s, 2),
        **asdict(count.told),
    )


def _between(count: Counted, first: Look, last: Look) -> int:
    if last.answered is not None and first.answered is not None:
        return last.answered - first.answered
    return count.events_before(last.ends) - count.events_before(first.ends)
