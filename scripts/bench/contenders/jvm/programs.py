"""Contenders that are one program on the JVM, built by Maven from the modules beside this file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree, which
from xml.etree import ElementTree

from scripts.bench.contenders.contender import (
    Job,
    NotHad,
    Processes,
    Shape,
    home_of,
    run_or_not_had,
)
from scripts.stack.software import java_version

FOLDER = Path(__file__).parent
POM = FOLDER / "pom.xml"
NAMESPACE = {"m": "http://maven.apache.org/POM/4.0.0"}
MAVEN = ("mvn", "-q", "-B", "--strict-checksums")

HEAP = "-Xmx1g"
QUIET = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
FLINK_OPENS = tuple(
    f"--add-opens=java.base/{package}=ALL-UNNAMED"
    for package in ("java.lang", "java.net", "java.io", "java.nio", "java.text", "java.time")
    + ("java.util", "java.util.concurrent", "java.util.concurrent.atomic", "sun.nio.ch")
)
"""What Flink's own configuration gives to a Java of 17 or later."""

SPARK_OPENS = tuple(
    f"--add-opens=java.base/{package}=ALL-UNNAMED"
    for package in ("java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net")
    + ("java.nio", "java.util", "java.util.concurrent", "java.util.concurrent.atomic")
    + ("jdk.internal.ref", "sun.nio.ch", "sun.nio.cs", "sun.security.action", "sun.util.calendar")
)
"""What Spark's own launcher gives."""


@dataclass(slots=True)
class JvmProgram:
    """A main class of a Maven module.

    Args:
        module: Its folder beside this file.
        uses: The properties of `pom.xml` that hold the versions told.
        arguments: After the class.
        options: Of the JVM, after those that all get.
    """

    name: str
    does: str
    lacks: str
    module: str
    main: str
    uses: Mapping[str, str]
    arguments: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    reads: Shape = "single"
    warm_up_s: float = 10.0
    _running: Processes = field(default_factory=Processes)

    def versions(self) -> Mapping[str, str]:
        told = _versions()
        java = java_version("java") if which("java") else None
        return {package: told[name] for package, name in self.uses.items()} | {
            "java": str(java) if java is not None else "none"
        }

    def prepare(self) -> None:
        build(self.module)

    def start(self, job: Job) -> Sequence[int]:
        # What a JVM unpacks goes away with the round, however it ends.
        temporary = f"-Djava.io.tmpdir={job.folder}"
        libs = home_of("jvm") / self.module / "libs"
        options = (HEAP, QUIET, temporary, *self.options, "-cp", f"{libs}/*")
        command = ("java", *options, self.main, *self.arguments)
        return [self._running.launch(command, job.environment(), job.folder / "log")]

    def answered(self) -> int | None:
        return None

    def stop(self) -> None:
        self._running.stop()


def build(module: str) -> None:
    """Compile a module and gather its jars, unless that was done from these sources.

    Raises:
        NotHad: There is no JDK or no Maven, or they failed.
    """
    home = home_of("jvm")
    stamp, wanted = home / module / "sources.sha256", _sources()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    for needed in ("mvn", "javac"):
        if which(needed) is None:
            raise NotHad(f"{module}: no {needed} on PATH")
    for folder in (home / "j1", home / module):
        rmtree(folder, ignore_errors=True)
    options = (f"-Dbench.home={home}", "-f", str(POM), "-pl", module, "-am")
    run_or_not_had(module, [*MAVEN, *options, "package"])
    stamp.write_text(wanted)


def _sources() -> str:
    digest = hashlib.sha256()
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in (".xml", ".java"):
            digest.update(str(path.relative_to(FOLDER)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _versions() -> Mapping[str, str]:
    properties = ElementTree.parse(POM).find("m:properties", NAMESPACE)
    assert properties is not None
    return {entry.tag.partition("}")[2]: entry.text or "" for entry in properties}


def jvm_programs() -> tuple[JvmProgram, ...]:
    return (*_kafka_streams(), *_flinks(), _spark())


def _kafka_streams() -> tuple[JvmProgram, ...]:
    uses = {"kafka-streams": "kafka.version", "onnxruntime": "onnxruntime.version"}
    main, alone = "centinela.bench.StreamsJob", "J1 alone"
    again = "answers come again after a crash, and what the cache wrote early counts twice"
    return (
        JvmProgram(
            "kafka-streams",
            "Processor over a cached key-value store in RocksDB with its changelog, fused forest "
            "an event; at least once, 1 thread",
            f"at least once: {again}; {alone}",
            "kafka-streams",
            main,
            uses,
            ("rocksdb", "at_least_once"),
        ),
        JvmProgram(
            "kafka-streams-memory",
            "the same, the store in memory, with its changelog",
            f"at least once: {again}; a restart reads the changelog first; {alone}",
            "kafka-streams",
            main,
            uses,
            ("memory", "at_least_once"),
        ),
        JvmProgram(
            "kafka-streams-eos",
            "as kafka-streams, with exactly_once_v2: transactions, committed every 0.1 s",
            f"a repeat by the client counts twice; {alone}",
            "kafka-streams",
            main,
            uses,
            ("rocksdb", "exactly_once_v2"),
        ),
    )


def _flinks() -> tuple[JvmProgram, ...]:
    uses = {"flink": "flink.version", "flink-connector-kafka": "flink.kafka.version"}
    uses |= {"onnxruntime": "onnxruntime.version"}
    return tuple(
        JvmProgram(
            name,
            f"KeyedProcessFunction over ValueState ({where}), checkpoints every 5 s, fused forest "
            "an event; 1 TaskManager with 1 slot, in one JVM",
            "state exactly once, answers at least once; a repeat by the client counts twice; "
            "J1 alone",
            "flink",
            "centinela.bench.FlinkJob",
            uses,
            (backend,),
            FLINK_OPENS,
        )
        for name, backend, where in (
            ("flink", "hashmap", "on the heap"),
            ("flink-rocksdb", "rocksdb", "in RocksDB"),
        )
    )


def _spark() -> JvmProgram:
    return JvmProgram(
        "spark",
        "Structured Streaming: transformWithState over RocksDB with its changelog, micro-batches "
        "of 50,000 events, fused forest an event; local[1]",
        "state exactly once, answers at least once; an answer waits for its micro-batch; J1 alone",
        "spark",
        "centinela.bench.SparkJob",
        {"spark": "spark.version", "onnxruntime": "onnxruntime.version"},
        options=SPARK_OPENS,
        warm_up_s=15.0,
    )
