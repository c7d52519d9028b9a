"""What a kill leaves behind: `python -m scripts.bench.crash --only quix,kafka-streams,flink`.

Each contender judges a filled topic, gets SIGKILL in the middle, is started again at once as its
documents say, and runs to the end. Then every answer is read back and held against a fold that
nothing disturbed. Of an event that was answered twice the first answer counts, as for a reader
that drops repeats.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import msgspec
import redis
import typer
from confluent_kafka import Consumer, TopicPartition

from producer.records import events_topic
from scripts.bench.aftermath import Aftermath, Right, aftermath, right_counts
from scripts.bench.contenders.catalog import contenders
from scripts.bench.contenders.contender import Contender, Job, NotHad
from scripts.bench.contenders.ours import OUT_TOPIC
from scripts.bench.rounds import shape_of
from scripts.bench.servers import Servers, servers
from scripts.bench.topics import Ends, fill, make_topic
from scripts.bench.workload import Workload, workload

EVENTS = 400_000
PARTITIONS = 4
LOOK_EVERY_S = 0.1
KILLED_AT, AT_THE_LATEST = 0.4, 0.75
"""Shares of the topic; between them, not before it has run for `RUN_AT_LEAST_S`."""
RUN_AT_LEAST_S = 6.0
STILL_S, GIVEN_UP_S = 4.0, 180.0
"""Nothing new for so long and it is through; or, with answers missing, it hangs."""
MARKERS = 2 * PARTITIONS
"""So many more offsets are no answer yet: ends of transactions take one each."""
NAMES = ("centinela", "plain", "quix", "kafka-streams", "kafka-streams-eos", "flink")


def kill_and_see(contender: Contender, made: Workload, job: Job, right: Right) -> Aftermath:
    """Start it, kill it, start it again, and read what came out.

    Raises:
        NotHad: It never answered, or not again.
    """
    ends = Ends(job.kafka, job.out_topic, job.partitions)
    total = sum(Ends(job.kafka, job.in_topic, job.partitions).now().values())

    def written() -> int:
        return sum(ends.now().values())

    contender.start(job)
    try:
        _in_the_middle(contender.name, written, total)
        contender.stop()
        before = written()
        getattr(contender, "resume", contender.start)(job)
        back_s = _until(lambda: written() > before + MARKERS, GIVEN_UP_S)
        if back_s >= GIVEN_UP_S:
            raise NotHad(f"{contender.name}: killed, and no answer again in {GIVEN_UP_S:.0f} s")
        _at_rest(written, total)
    finally:
        contender.stop()
    answers = _answers(job, is_transactional=contender.name.endswith("-eos"))
    return aftermath(contender.name, back_s, answers, right)


def _in_the_middle(name: str, written: Callable[[], int], total: int) -> None:
    if _until(lambda: written() > 0, GIVEN_UP_S) >= GIVEN_UP_S:
        raise NotHad(f"{name}: no answer in time")
    began = time.monotonic()
    _until(
        lambda: (
            written() > AT_THE_LATEST * total
            or (written() > KILLED_AT * total and time.monotonic() - began > RUN_AT_LEAST_S)
        ),
        10 * GIVEN_UP_S,
    )


def _at_rest(written: Callable[[], int], total: int) -> None:
    """Until it writes no more: for long, if by then not everything can have been answered."""
    count, since = written(), time.monotonic()
    while time.monotonic() - since < (STILL_S if count >= total else GIVEN_UP_S):
        time.sleep(LOOK_EVERY_S)
        if (now := written()) != count:
            count, since = now, time.monotonic()


def _until(holds: Callable[[], bool], within_s: float) -> float:
    """Seconds until it holds; `within_s` if it does not."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > within_s:
            return within_s
        time.sleep(LOOK_EVERY_S)
    return time.monotonic() - began


def _answers(job: Job, *, is_transactional: bool) -> Iterator[dict[str, Any]]:
    """All of them, those of transactions that were not committed left out."""
    isolation = "read_committed" if is_transactional else "read_uncommitted"
    consumer = Consumer(
        {
            "bootstrap.servers": job.kafka,
            "group.id": "bench-reader",  # asked for by the client, never joined
            "enable.auto.commit": False,
            "isolation.level": isolation,
            "enable.partition.eof": True,
        }
    )
    left = set(range(job.partitions))
    consumer.assign([TopicPartition(job.out_topic, partition, 0) for partition in left])
    try:
        while left:
            for message in consumer.consume(1000, 1.0):
                if message.error():
                    left.discard(message.partition() or 0)
                    continue
                for line in (message.value() or b"").split(b"\n"):
                    yield msgspec.json.decode(line)
    finally:
        consumer.close()


@contextmanager
def _job(running: Servers, made: Workload, contender: Contender) -> Iterator[Job]:
    """A broker of its own, filled; it goes away with the servers."""
    stack = running.broker(f"crash-{contender.name}")
    topic, shape = events_topic("access"), shape_of(contender)
    out = OUT_TOPIC if contender.name.startswith("centinela") else "answers"
    for name in (topic, out):
        make_topic(stack.kafka, name, PARTITIONS)
    fill(stack.kafka, topic, PARTITIONS, made, shape)
    redis.Redis.from_url(stack.redis).flushall()
    with TemporaryDirectory(prefix="bench-crash-") as folder:
        group, places = f"crash-{contender.name}", (made.model, made.samples, made.log)
        yield Job(stack.kafka, stack.redis, topic, out, PARTITIONS, group, *places, Path(folder))


def run(names: Sequence[str] = NAMES, events: int = EVENTS) -> dict[str, Any]:
    """One kill of each."""
    made = workload("zipf", events)
    right = right_counts(made)
    found, skipped = [], {}
    for contender in contenders():
        if contender.name not in names:
            continue
        try:
            contender.prepare()
            with servers() as running, _job(running, made, contender) as job:
                found.append(asdict(kill_and_see(contender, made, job, right)))
        except NotHad as error:
            skipped[contender.name] = str(error)
            continue
        print(json.dumps(found[-1]), flush=True)
    return {"events": events, "contenders": found, "skipped": skipped}


def main(
    only: Annotated[str, typer.Option(help="Names, separated by commas.")] = ",".join(NAMES),
    events: Annotated[int, typer.Option(help="Events in the topic.")] = EVENTS,
) -> None:
    print(json.dumps(run(tuple(only.split(",")), events)["skipped"]))


if __name__ == "__main__":
    typer.run(main)
