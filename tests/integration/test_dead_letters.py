"""Dead letters on the real stack: listed, shown without harm, put back, and counted once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Producer

from producer.records import events_topic
from producer.topics import end_offsets
from scripts.stack.settings import ROOT
from tests.integration.agents import Agent, running, start_afresh
from tests.stacks import Stack

PARTITION = 2
WITHIN_S = 60.0
AHEAD = timedelta(minutes=5, seconds=8)
"""So far ahead an event is dead now, and may be judged soon."""


@dataclass(frozen=True, slots=True)
class Centinela:
    """`centinela` against a stack."""

    kafka: str

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "scripts.cli", *arguments],
            cwd=ROOT,
            env={**os.environ, "CENTINELA_KAFKA": self.kafka, "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            # Other tests' letters are on the topic too, and not all of them are text.
            errors="surrogateescape",
        )

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        process = self.start(*arguments)
        shown, said = process.communicate(timeout=120)
        return process.returncode, shown, said

    def write(self, *values: bytes) -> None:
        producer = Producer({"bootstrap.servers": self.kafka})
        for value in values:
            producer.produce(events_topic("access"), value, partition=PARTITION)
        assert producer.flush(20) == 0

    def letters(self, *options: str) -> list[dict[str, Any]]:
        """Those of this module's own lines."""
        code, shown, said = self("dead-letters", "list", "-n", "10000", "-o", "json", *options)
        assert code == 0, said
        return [
            letter for letter in json.loads(shown) if "dead-letter-test" in (letter["text"] or "")
        ]

    def await_letters(self, count: int) -> list[dict[str, Any]]:
        deadline = time.monotonic() + WITHIN_S
        while len(letters := self.letters()) < count:
            assert time.monotonic() < deadline, letters
            time.sleep(0.2)
        return letters


@pytest.fixture(scope="module")
def centinela(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centinela]:
    folder = tmp_path_factory.mktemp("dead-letters")
    start_afresh(stack)
    with running(Agent("ingestion", stack, folder), Agent("decision", stack, folder)):
        yield Centinela(stack.kafka)


def event(status: int = 200, at: datetime | None = None, path: str = "/") -> bytes:
    fields = {
        "occurred_at": (at or datetime.now(UTC)).isoformat(),
        "client_ip": "203.0.113.7",
        "method": "GET",
        "path": path,
        "status": status,
        "user_agent": "dead-letter-test",
    }
    return json.dumps(fields, ensure_ascii=False).encode()


@pytest.mark.timeout(300)
def test_a_line_is_put_back_counts_once_and_fails_again_under_a_new_id(
    centinela: Centinela,
) -> None:
    before = len(centinela.letters("--all"))
    soon = datetime.now(UTC) + AHEAD
    centinela.write(event(at=soon), event(status=7))
    future, broken = centinela.await_letters(2)[-2:]
    time.sleep(max(0.0, (soon - timedelta(minutes=5) - datetime.now(UTC)).total_seconds()))

    code, account, _ = centinela("dead-letters", "retry", future["id"], broken["id"], "--yes")
    again, twice, said = centinela("dead-letters", "retry", future["id"], "-y", "-o", "json")

    assert account.endswith("decided 1 + duplicate 0 + late 0 + dead-lettered 1 + missing 0\n")
    assert code == 1
    assert (again, json.loads(twice)["duplicate"]) == (0, 1), said
    assert len(centinela.letters("--all")) == before + 3
    [left] = [one for one in centinela.letters() if one["id"] > broken["id"]]
    assert (left["failures"], left["reason"]) == (2, broken["reason"])


@pytest.mark.timeout(300)
def test_bytes_that_steer_a_terminal_are_spelled_out(centinela: Centinela) -> None:
    centinela.write(event(status=7, path="/\x1b[2J\x9b1m\u202e").replace(rb"\u001b", b"\x1b"))
    letter = centinela.await_letters(1)[-1]

    for options in ([], ["-o", "json"]):
        code, shown, _ = centinela("dead-letters", "show", letter["id"], *options)

        assert code == 0
        assert not {"\x1b", "\x9b", "\u202e"} & set(shown)


@pytest.mark.timeout(300)
def test_all_that_is_open_is_put_back_after_asking(centinela: Centinela) -> None:
    centinela.write(event(status=7))
    letter = centinela.await_letters(1)[-1]

    unasked = centinela("dead-letters", "retry", "--all")
    code, shown, _ = centinela("dead-letters", "retry", "--all", "--yes", "-o", "json")

    assert unasked[0] == 2
    assert "--yes: must be given where nobody can be asked" in unasked[2]
    assert code == 1
    assert letter["id"] in json.loads(shown)["moved"]
    assert json.loads(shown)["missing"] == 0
    assert letter["id"] not in [one["id"] for one in centinela.letters()]


def test_a_letter_that_is_not_there_is_exit_code_1(centinela: Centinela) -> None:
    said = "centinela: there is no dead letter 9:9\n"

    assert centinela("dead-letters", "show", "9:9") == (1, "", said)
    assert centinela("dead-letters", "retry", "9:9", "--yes") == (1, "", said)


@pytest.mark.timeout(300)
def test_a_watched_topic_gives_its_lines_byte_for_byte(centinela: Centinela) -> None:
    line = event(path="/watched-é\x1b")
    centinela.write(line + b"\n" + line)

    process = centinela.start("topics", "watch", "events.access", "--from-beginning")
    assert process.stdout is not None
    while "/watched-" not in (seen := process.stdout.readline()):
        assert seen, "the end of the topic"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)

    assert seen == line.decode() + "\n"
    assert (process.returncode, said) == (130, "")


def test_watching_begins_with_what_comes_now(centinela: Centinela) -> None:
    """The line before it is not shown; the next one is, and then it is enough."""
    centinela.write(event(path="/before"))
    process = centinela.start("topics", "watch", "events.access", "--limit", "1")
    deadline = time.monotonic() + WITHIN_S
    while process.poll() is None:
        assert time.monotonic() < deadline
        centinela.write(event(path="/now"))
        time.sleep(0.2)

    shown, _ = process.communicate()
    assert "/now" in shown
    assert sum(end_offsets(centinela.kafka, events_topic("access")).values()) > 0


def test_an_unknown_topic_is_refused_with_those_that_there_are(centinela: Centinela) -> None:
    code, _, said = centinela("topics", "watch", "actions.acess")

    assert code == 2
    assert "there are actions.access, dead-letter, decisions.access, events.access" in said
