"""Contenders that are one Python program in an environment of its own."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from scripts.bench.contenders.contender import Job, Processes, Shape, pinned, python_of
from scripts.stack.settings import ROOT

FOLDER = Path(__file__).parent


@dataclass(slots=True)
class PythonProgram:
    """A module of `scripts.bench.contenders`, run as it is.

    Args:
        module: Its folder beside this file; with a `requirements.txt` where the program needs
            an environment of its own, else it runs in ours.
        uses: The packages whose versions are told, of a program in our environment.
        runner: Arguments before the module's name.
    """

    name: str
    does: str
    lacks: str
    module: str
    uses: tuple[str, ...] = ()
    reads: Shape = "single"
    warm_up_s: float = 5.0
    runner: tuple[str, ...] = ("-m",)
    _running: Processes = field(default_factory=Processes)

    @property
    def _requirements(self) -> Path:
        return FOLDER / self.module / "requirements.txt"

    def versions(self) -> Mapping[str, str]:
        if self._requirements.exists():
            return pinned(self._requirements)
        return {package: version(package) for package in self.uses}

    def prepare(self) -> None:
        self._python()

    def _python(self) -> str:
        if not self._requirements.exists():
            return sys.executable
        return str(python_of(self.name, self._requirements))

    def start(self, job: Job) -> Sequence[int]:
        command = (self._python(), *self.runner, f"scripts.bench.contenders.{self.module}.job")
        environment = {**job.environment(), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        return [self._running.launch(command, environment, job.folder / "log")]

    def answered(self) -> int | None:
        return None

    def stop(self) -> None:
        self._running.stop()


def python_programs() -> tuple[PythonProgram, ...]:
    loses = "state is lost with the process"
    return (
        PythonProgram(
            "plain",
            "confluent-kafka loop, buckets in a dict, fused forest in slices of 100; one event "
            "a record",
            f"{loses}; repeats count twice; no text model, rules, reasons, lists or policy",
            "plain",
            ("confluent-kafka", "msgspec", "onnxruntime"),
        ),
        PythonProgram(
            "plain-batched",
            "the same, 200 events a record",
            f"{loses}; repeats count twice; no text model, rules, reasons, lists or policy",
            "plain",
            ("confluent-kafka", "msgspec", "onnxruntime"),
            "batched",
        ),
        PythonProgram(
            "bytewax",
            "kafka.input, filter_map, stateful_map, map with the fused forest, kafka.output; "
            "one worker",
            f"recovery off: {loses}; at least once, repeats count twice; J1 alone",
            "bytewax_flow",
            runner=("-m", "bytewax.run"),
        ),
        PythonProgram(
            "quix",
            "filter, apply(stateful=True) over RocksDB and a changelog, apply with the fused "
            "forest, to_topic",
            "at least once: answers come again after a crash, and events count twice if it falls "
            "between the writing of state and of offsets; J1 alone",
            "quix",
        ),
        PythonProgram(
            "faust",
            "stream.take(100, within=0.05), buckets in a dict, fused forest once a take",
            f"{loses}; repeats count twice; J1 alone",
            "faust_take",
            ("faust-streaming", "aiokafka"),
        ),
        PythonProgram(
            "script",
            "poll, 9 Redis counters in one pipeline, score_samples, produce: an event at a time",
            "counters may count twice after a crash; J1 alone",
            "script",
            ("confluent-kafka", "redis", "scikit-learn"),
        ),
    )
