"""What is measured beside us: a program that does job J1 on Kafka, in an environment of its own.

Job J1. `in_topic` holds access events as JSON, one a record, keyed by `client_ip`, in 4 partitions
and, as a rule, in event-time order; fields as `AccessEvent` names them, those with their default
left out.
For each client there are 10 buckets of one minute of event time (`occurred_at`, RFC 3339 in UTC),
each with a count of events, a sum of `bytes` and a count of errors (`status >= 400`). For each
event: add it to its bucket, then take over the buckets of the last 10 minutes, its own included

    count            how many events
    mean_bytes       sum of bytes / count
    error_share      errors / count

as one float32 row in that order, evaluate the forest in `model` (ONNX; input `row`, `(n, 3)`;
output `score`, `(n, 1)`), and write one JSON record to `out_topic`, keyed by `client_ip`:

    {"event_id": "7-12", "client_ip": "10.0.0.9", "count": 4, "score": 0.41, "action": "allow"}

`action` is `alert` where `score >= ALERT`, else `allow`. The harness compares count and score of
the records with a fold of its own, so a bucket's edge is part of the job:
`minute = floor(epoch seconds / 60)`, and the buckets taken are `minute - 9` and newer: newer than
its own there are some only for an event that comes late. A line that is no such event is skipped.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from models.errors import DetectionError
from scripts.stack.settings import ROOT, LocalStack

ALERT = 0.6
"""From this score on a contender says `alert`."""

Shape = Literal["single", "batched", "log"]
"""What a contender reads: one event a record, up to 200 a record (as NDJSON), or `Job.log`."""


class NotHad(DetectionError):
    """A contender cannot run on this machine; the message says what is missing. It is skipped."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a contender is started with.

    Args:
        kafka: Bootstrap servers.
        redis: URL of a Redis that is empty.
        in_topic: Filled before the contender starts; to be read from its beginning.
        out_topic: Empty, of as many partitions.
        partitions: Of both topics.
        group: A consumer group that was never used.
        model: The forest, as ONNX.
        samples: The rows that the forest was fitted on, `(n, 3)` float32, as .npy.
        log: The same events in Combined Log Format, in the order of event time; the first
            200,000 of them.
        folder: Empty; for state and logs of this round.
    """

    kafka: str
    redis: str
    in_topic: str
    out_topic: str
    partitions: int
    group: str
    model: Path
    samples: Path
    log: Path
    folder: Path

    def environment(self) -> Mapping[str, str]:
        """The same, for a process: `BENCH_KAFKA`, `BENCH_IN_TOPIC`, ..., and `BENCH_ALERT`."""
        return {f"BENCH_{name.upper()}": str(getattr(self, name)) for name in self.__slots__} | {
            "BENCH_ALERT": str(ALERT)
        }


class Contender(Protocol):
    """One way of doing the job.

    Args:
        name: Short, as it stands in tables; `kafka-streams`.
        does: In one line, how it is written: which operators, which state, what is durable.
        lacks: In one line, what it does not do that Centinela does; printed with its figures.
        reads: The shape of the topic that it is given.
        warm_up_s: Discarded after its first answer. More than the usual 5 s only for a compiler.
    """

    name: str
    does: str
    lacks: str
    reads: Shape
    warm_up_s: float

    def versions(self) -> Mapping[str, str]:
        """Of what it is made of, `{"quixstreams": "3.28.1"}`; known without `prepare`."""
        ...

    def prepare(self) -> None:
        """Build its environment under `home_of(name)`, once; quick when it is there.

        Raises:
            NotHad: What it needs cannot be had.
        """
        ...

    def start(self, job: Job) -> Sequence[int]:
        """Start it, and return the ids of all its processes; their children are found.

        The harness records its CPU time and memory; broker and Redis are counted apart.
        """
        ...

    def answered(self) -> int | None:
        """Input events handled so far, of one that writes no record an event; else None.

        Called about twice a second, so it must cost next to nothing.
        """
        ...

    def stop(self) -> None:
        """End what `start` started; harmless when nothing runs."""
        ...


def home_of(name: str) -> Path:
    """Where a contender's environment is built: `.centinela/bench/<name>/`."""
    return LocalStack().folder / "bench" / name


def python_of(name: str, requirements: Path) -> Path:
    """The interpreter of an environment with these pinned requirements, built if they changed.

    Raises:
        NotHad: They cannot be installed.
    """
    home = home_of(name)
    python, stamp = home / "bin" / "python", home / "requirements.txt"
    if stamp.exists() and stamp.read_text() == requirements.read_text():
        return python
    shutil.rmtree(home, ignore_errors=True)
    uv = ROOT / ".venv" / "bin" / "uv"
    run_or_not_had(name, [str(uv), "venv", "-q", "--python", "3.11", str(home)])
    install = [str(uv), "pip", "install", "-q", "--compile-bytecode", "--python", str(python)]
    run_or_not_had(name, [*install, "-r", str(requirements)])
    stamp.write_text(requirements.read_text())
    return python


def pinned(requirements: Path) -> Mapping[str, str]:
    """Package to version of lines such as `quixstreams==3.28.1`."""
    lines = (line.strip() for line in requirements.read_text().splitlines())
    pairs = (line.partition("==") for line in lines if "==" in line and not line.startswith("#"))
    return {name: version for name, _, version in pairs}


def run_or_not_had(name: str, command: Sequence[str], cwd: Path | None = None) -> None:
    """Run one step of building an environment.

    Raises:
        NotHad: The program is not there, or it failed; with its last line.
    """
    try:
        ended = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotHad(f"{name}: {error}") from error
    if ended.returncode != 0:
        said = (ended.stderr or ended.stdout).strip().splitlines() or ["no message"]
        raise NotHad(f"{name}: {command[0]} failed: {said[-1]}")


class Processes:
    """The processes of one contender: each in a session of its own, its output in a file."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[bytes]] = []

    def launch(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
        """Start one beside its log, where what it leaves behind goes away; returns its id."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=log.parent,
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._running.append(process)
        return process.pid

    def stop(self) -> None:
        """End each with all of its children, at once: what it had open is not needed any more."""
        while self._running:
            process = self._running.pop()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
