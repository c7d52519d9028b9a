"""The replay against a real Kafka, and an agent of the test's own that answers every event."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from types import TracebackType

import msgspec
import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from typer.testing import CliRunner, Result

from models.errors import InvalidSource, Unavailable
from producer.async_publisher import AsyncPublisher
from producer.partitioning import partition_of
from producer.publisher import Publisher, records_of
from producer.records import DEAD_LETTER, OutRecord, actions_topic, events_topic
from producer.replay import app
from producer.topics import WatchedTopic, end_offsets, ensure_topics, next_offset, topic_id
from tests.stacks import Stack
from tests.topics import admin_client

PARTITIONS = 3
ROOT = Path(__file__).resolve().parents[2]


class EchoAgent:
    """Answers each record of `events.<pack>` at once: decided, or duplicate for an id seen before.

    Args:
        copies: How often it says so; a crash between emit and commit makes it say it twice.
        loses: Part numbers that it never answers.
    """

    def __init__(self, kafka: str, pack: str, copies: int = 1, loses: tuple[int, ...] = ()) -> None:
        self.values: list[bytes] = []
        self._kafka = kafka
        self._pack = pack
        self._copies = copies
        self._loses = loses
        self._seen: set[str] = set()
        self._stopping = Event()
        self._thread = Thread(target=self._run)

    def __enter__(self) -> EchoAgent:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        reader = reader_of(self._kafka, events_topic(self._pack), PARTITIONS)
        with Publisher(self._kafka) as publisher:
            while not self._stopping.is_set():
                for record in reader.consume(100, timeout=0.05):
                    self._answer(record.partition() or 0, record, publisher)
        reader.close()

    def _answer(self, partition: int, record: Message, publisher: Publisher) -> None:
        value, headers = record.value() or b"", dict(headers_of(record))
        self.values.append(value)
        if int(headers["part"]) in self._loses:
            return
        answers = b"\n".join(self._outcome(line) for line in value.split(b"\n"))
        out = OutRecord(actions_topic(self._pack), partition, answers, tuple(headers.items()))
        for _ in range(self._copies):
            publisher.put(out, lambda error, message: None)

    def _outcome(self, line: bytes) -> bytes:
        event_id = json.loads(line)["event_id"]
        outcome = "duplicate" if event_id in self._seen else "decided"
        self._seen.add(event_id)
        return msgspec.json.encode({"event_id": event_id, "outcome": outcome})


@pytest.fixture
def pack(stack: Stack) -> str:
    """A pack whose topics no other test has used."""
    name = f"echo-{uuid.uuid4().hex[:8]}"
    ensure_topics(stack.kafka, name, PARTITIONS)
    return name


@dataclass(frozen=True, slots=True)
class Command:
    """The command in a folder of its own, talking to the test's Kafka and pack."""

    folder: Path
    environment: Mapping[str, str]

    def start(self, *arguments: str, stdin: int | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "producer.replay", *arguments],
            cwd=self.folder,
            env={**os.environ, **self.environment, "PYTHONPATH": str(ROOT)},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> Result:
        """In this process, which saves its imports."""
        return CliRunner().invoke(app, arguments, env=self.environment)


@pytest.fixture
def replay(stack: Stack, pack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    environment = {
        "CENTINELA_KAFKA": stack.kafka,
        "CENTINELA_PACK": pack,
        "CENTINELA_PARTITIONS": str(PARTITIONS),
    }
    return Command(tmp_path, environment)


def reader_of(kafka: str, topic: str, partitions: int) -> Consumer:
    reader = Consumer({"bootstrap.servers": kafka, "group.id": "test", "enable.auto.commit": False})
    reader.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    return reader


def headers_of(record: Message) -> list[tuple[str, bytes]]:
    headers = dict(record.headers() or ())
    return [(name, value) for name, value in headers.items() if isinstance(value, bytes)]


def read_all(kafka: str, topic: str) -> Iterator[tuple[int, bytes, dict[str, bytes]]]:
    ends = end_offsets(kafka, topic)
    reader = reader_of(kafka, topic, len(ends))
    left = sum(ends.values())
    while left:
        for record in reader.consume(left, timeout=1):
            left -= 1
            yield record.partition() or 0, record.value() or b"", dict(headers_of(record))
    reader.close()


def line(client: int, path: str = "/", second: int = 0) -> str:
    return f'10.0.0.{client} - - [17/May/2015:10:05:{second:02} +0000] "GET {path} HTTP/1.1" 200 5'


def access_log(folder: Path, lines: int) -> Path:
    log = folder / "access.log"
    log.write_text("".join(line(n % 250, f"/{n}", n % 60) + "\n" for n in range(lines)))
    return log


def test_every_line_is_decided_on_and_accounted_for(
    stack: Stack, pack: str, replay: Command, tmp_path: Path
) -> None:
    log = access_log(tmp_path, 5_000)
    with EchoAgent(stack.kafka, pack):
        told = replay.run(str(log))

    assert told.exit_code == 0, told.stderr
    assert told.stdout == (
        "sent 5,000 = decided 5,000 + duplicate 0 + late 0 + dead-lettered 0 + missing 0\n"
    )


def test_records_are_where_their_clients_live_and_tell_their_part(
    stack: Stack, pack: str, replay: Command, tmp_path: Path
) -> None:
    log = access_log(tmp_path, 3_000)
    with EchoAgent(stack.kafka, pack):
        replay.run(str(log))

    records = list(read_all(stack.kafka, events_topic(pack)))
    events = [(p, json.loads(text)) for p, value, _ in records for text in value.split(b"\n")]
    assert len(events) == 3_000
    assert all(p == partition_of(event["client_ip"], PARTITIONS) for p, event in events)
    assert sorted(int(headers["part"]) for *_, headers in records) == list(range(len(records)))
    assert len({headers["batch"] for *_, headers in records}) == 1
    assert max(value.count(b"\n") + 1 for _, value, _ in records) <= 200


def test_a_second_replay_is_all_duplicates(
    stack: Stack, pack: str, replay: Command, tmp_path: Path
) -> None:
    log = access_log(tmp_path, 100)
    with EchoAgent(stack.kafka, pack):
        replay.run(str(log))
        told = replay.run(str(log), "-o", "json")

    account = json.loads(told.stdout.splitlines()[-1])
    assert account.pop("seconds") > 0
    assert account == {
        "sent": 100,
        "decided": 0,
        "duplicate": 100,
        "late": 0,
        "dead_lettered": 0,
        "missing": 0,
    }


def test_an_outcome_that_comes_twice_counts_once(
    stack: Stack, pack: str, replay: Command, tmp_path: Path
) -> None:
    log = access_log(tmp_path, 700)
    with EchoAgent(stack.kafka, pack, copies=2):
        told = replay.run(str(log))

    assert told.stdout.startswith("sent 700 = decided 700 + duplicate 0 ")


def test_an_outcome_that_never_comes_is_missing(
    stack: Stack, pack: str, replay: Command, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    log.write_text(line(1) + "\n")
    with EchoAgent(stack.kafka, pack, loses=(0,)):
        told = replay.run(str(log), "--wait", "1")

    assert told.exit_code == 1
    assert told.stdout.endswith("dead-lettered 0 + missing 1\n")
    assert "are the agents running?" in told.stderr


def test_unreadable_lines_are_dead_letters_with_their_place_and_reason(
    stack: Stack, pack: str, replay: Command, tmp_path: Path
) -> None:
    name = f"{pack}.log.gz"
    (tmp_path / name).write_bytes(
        gzip.compress(f"{line(1)}\n\nnonsense \x00\n{line(2)}\n".encode("latin-1"))
    )
    with EchoAgent(stack.kafka, pack):
        told = replay.run(name)

    letters = [
        (value, headers)
        for _, value, headers in read_all(stack.kafka, DEAD_LETTER)
        if headers.get("topic") == name.encode()
    ]
    assert told.exit_code == 0, told.stderr
    assert (
        told.stdout == "sent 3 = decided 2 + duplicate 0 + late 0 + dead-lettered 1 + missing 0\n"
    )
    assert (
        f"rejected 1: not an access-log line: there is no [time] (first at {name}:3)" in told.stderr
    )
    assert letters == [
        (
            b"nonsense \x00",
            {
                "topic": name.encode(),
                "line": b"3",
                "error": b"InvalidEvent",
                "reason": b"not an access-log line: there is no [time]",
            },
        )
    ]


def test_ctrl_c_gives_the_account_and_resume_sends_the_rest(
    stack: Stack, pack: str, replay: Command, tmp_path: Path
) -> None:
    log = access_log(tmp_path, 2_000)
    with EchoAgent(stack.kafka, pack) as agent:
        command = replay.start(str(log), "--rate", "400", "-o", "json")
        _until(lambda: len(agent.values) > 5)
        command.send_signal(signal.SIGINT)
        told, said = command.communicate(timeout=60)
        first = json.loads(told.splitlines()[-1])
        rest = replay.run("--resume", str(log), "-o", "json").stdout

    second = json.loads(rest.splitlines()[-1])
    assert command.returncode == 130
    assert f"go on with: centinela replay --resume {log} --rate 400" in said
    assert 0 < first["decided"] < 2_000
    assert first["sent"] + second["sent"] == first["decided"] + second["decided"] == 2_000
    assert first["missing"] == second["missing"] == 0


def test_standard_input_is_followed_as_it_grows(stack: Stack, pack: str, replay: Command) -> None:
    with EchoAgent(stack.kafka, pack) as agent:
        command = replay.start("-", stdin=subprocess.PIPE)
        assert command.stdin
        command.stdin.write(line(1) + "\n")
        command.stdin.flush()
        _until(lambda: len(agent.values) == 1)
        command.stdin.write(line(2) + "\n")
        told, _ = command.communicate(timeout=60)

    assert told.startswith("sent 2 = decided 2 ")


def test_shifted_events_end_now(stack: Stack, pack: str, replay: Command, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text(f"{line(1, second=1)}\n{line(1, second=31)}\n")
    with EchoAgent(stack.kafka, pack) as agent:
        replay.run(str(log), "--shift-to", "2026-01-01T00:00:00Z")

    times = [json.loads(text)["occurred_at"] for text in agent.values[0].split(b"\n")]
    assert times == ["2025-12-31T23:59:30.000Z", "2026-01-01T00:00:00.000Z"]


def test_topics_are_made_once_and_never_with_another_number_of_partitions(
    stack: Stack, pack: str
) -> None:
    ensure_topics(stack.kafka, pack, PARTITIONS)

    with pytest.raises(InvalidSource, match=f"must have 8 partitions as set, got {PARTITIONS}"):
        ensure_topics(stack.kafka, pack, 8)


def test_a_topic_made_again_has_another_id(stack: Stack, pack: str) -> None:
    topic = events_topic(pack)
    before, watched = topic_id(stack.kafka, topic), WatchedTopic(stack.kafka, topic)
    assert topic_id(stack.kafka, topic) == watched.id() == before
    with Publisher(stack.kafka) as publisher:
        publisher.put(OutRecord(topic, 1, b"{}"), lambda error, message: None)
    assert watched.ends() == {0: 0, 1: 1, 2: 0}

    admin = admin_client(stack.kafka)
    admin.delete_topics([topic])[topic].result()
    _until(lambda: _made_again(stack.kafka, pack))

    assert topic_id(stack.kafka, topic) == watched.id() != before
    assert watched.ends() == {0: 0, 1: 0, 2: 0}


def test_the_next_offset_is_the_records_or_the_end(stack: Stack, pack: str) -> None:
    record = OutRecord(events_topic(pack), 1, b"{}")
    with Publisher(stack.kafka) as publisher:
        publisher.put(record, lambda error, message: None)
        publisher.put(record, lambda error, message: None)

    assert end_offsets(stack.kafka, events_topic(pack)) == {0: 0, 1: 2, 2: 0}
    assert [next_offset(stack.kafka, events_topic(pack), 1, at) for at in (0, 1, 2)] == [0, 1, 2]


def test_the_java_clients_partitioner_agrees(stack: Stack, pack: str) -> None:
    """librdkafka's `murmur2` is made to be the Java client's."""
    entities = [f"203.0.113.{n}" for n in range(100)] + ["2001:db8::1", "ünïcode", "x"]
    producer = Producer({"bootstrap.servers": stack.kafka, "partitioner": "murmur2"})
    for entity in entities:
        producer.produce(events_topic(pack), entity.encode(), key=entity.encode())
    producer.flush(30)

    placed = {value.decode(): p for p, value, _ in read_all(stack.kafka, events_topic(pack))}
    assert placed == {entity: partition_of(entity, PARTITIONS) for entity in entities}


async def test_send_returns_when_kafka_has_acknowledged(stack: Stack, pack: str) -> None:
    events = [(f"id-{n}", f"client-{n}", b'{"n":%d}' % n) for n in range(1_000)]
    async with aclosing(AsyncPublisher(stack.kafka)) as publisher:
        await publisher.send(records_of(pack, events, PARTITIONS, batch="b", reply="me"))

    records = list(read_all(stack.kafka, events_topic(pack)))
    assert sorted(text for _, value, _ in records for text in value.split(b"\n")) == sorted(
        line for *_, line in events
    )
    assert {headers["reply"] for *_, headers in records} == {b"me"}


async def test_send_without_a_broker_says_where_it_looked() -> None:
    async with aclosing(AsyncPublisher("127.0.0.1:9", timeout_s=1)) as publisher:
        with pytest.raises(Unavailable, match="Kafka at 127.0.0.1:9: "):
            await publisher.send([OutRecord("events.access", 0, b"{}")])


def _made_again(kafka: str, pack: str) -> bool:
    try:
        ensure_topics(kafka, pack, PARTITIONS)
        topic_id(kafka, events_topic(pack))
    except (InvalidSource, Unavailable):
        return False
    return True


def _until(holds: Callable[[], bool], within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
