"""M: tables that are not as they should be, and dead letters that are put back."""

from __future__ import annotations

import csv
import io
import json
import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

from producer.records import DEAD_LETTER
from tests.faults import ledger
from tests.faults.callers import Stranger
from tests.faults.catalogue import Outcome, fault
from tests.faults.cluster import Cluster, Clusters
from tests.faults.commands import centinela
from tests.faults.events import ATTACK, answers, just_now, outcomes_of, request, stamp
from tests.topics import read_topic

HEADER = ("time", "ip", "method", "path", "status")
MAPPED = ("--map", "time=time,ip=ip")
FORMULAS = ("=cmd|' /C calc'!A0", "@SUM(1+1)", "+1+1", "-2+3", '=HYPERLINK("http://a","b")')
BROKEN = {
    "too few": ("2026-01-01T00:00:00Z", "198.51.100.1"),
    "too many": ("2026-01-01T00:00:00Z", "198.51.100.1", "GET", "/", "200", "more"),
    "no number": ("2026-01-01T00:00:00Z", "198.51.100.1", "GET", "/", "two hundred"),
    "no status": ("2026-01-01T00:00:00Z", "198.51.100.1", "GET", "/", "7"),
    "no time": ("yesterday", "198.51.100.1", "GET", "/", "200"),
    "no client": ("2026-01-01T00:00:00Z", "", "GET", "/", "200"),
}
ROWS = 60
SKEW = timedelta(minutes=5)
SOON = timedelta(seconds=12)
"""So long until what is dead now, for being too far ahead, may be judged."""
TRIES = 3


@fault(
    "M8",
    "tables with formulas, ragged and broken rows, a mark, or other delimiters",
    passes="each bad row is set aside with its line number, counted and told; the rest is judged",
    times=6,
)
def tables(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome(note="each form of a file: tests/unit/producer/test_formats.py")
    with clusters() as cluster:
        for number in range(times):
            path = cluster.folder / f"{number}.csv"
            mark, delimiter = (b"", b"\xef\xbb\xbf")[number % 2], ",;\t"[number % 3]
            text, bad = _table(chance, delimiter)
            path.write_bytes(mark + text.encode())
            before = len(read_topic(cluster.kafka, DEAD_LETTER)[0])
            replayed = centinela(cluster, "replay", str(path), *MAPPED)
            said = replayed.stdout + replayed.stderr
            account = f"decided {ROWS - len(bad)} + duplicate 0 + late 0 + dead-lettered {len(bad)}"
            outcome.require(f"{account} + missing 0" in said, f"{path.name}: {said[-600:]}")
            letters = read_topic(cluster.kafka, DEAD_LETTER)[0][before:]
            lines = sorted(int(letter.header("line") or b"0") for letter in letters)
            outcome.require(lines == bad, f"{path.name}: set aside {lines}, not {bad}")
            told = f"(first at {path.name}:{bad[0]})" in said
            outcome.require(told, f"{path.name}: line {bad[0]} is not told")
            outcome.figures["exit code with rows set aside"] = str(replayed.returncode)
            outcome.times += len(bad)
        cluster.await_settled()
        paths = {answer.outcome for answer in answers(cluster)}
        outcome.require(paths == {"decided"}, f"outcomes: {paths}")
    return outcome


@fault(
    "M9",
    "dead letters are put back, once and again, and a worker is killed meanwhile",
    passes="what has become right is decided once; what has not is counted as failed, never looped",
    times=2,
)
def letters(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome(note="letters and their notes: tests/unit/producer/test_dead_letters.py")
    with clusters() as cluster:
        for number in range(times):
            soon = datetime.now(UTC) + SKEW + SOON
            early = [
                request(f"early-{number}-{n}", f"early-{n}", soon, path=ATTACK)[2]
                for n in range(10)
            ]
            never = [
                request(f"never-{number}-{n}", f"never-{n}", just_now(), status=7)[2]
                for n in range(5)
            ]
            Stranger(cluster).write([b"\n".join(early), *never], number % cluster.partitions)
            cluster.await_settled()
            dead = _open_letters(cluster)
            outcome.require(len(dead) == 15 + 5 * number, f"{len(dead)} letters are open")
            until = (soon - SKEW - datetime.now(UTC)).total_seconds() + 1
            time.sleep(max(0.0, until))
            worker = cluster.worker("ingestion", number % 2)
            for attempt in range(TRIES):
                if attempt == 1:
                    worker.kill()
                    worker.start(wait=False)
                retried = centinela(cluster, "dead-letters", "retry", "--all", "--yes")
                outcome.require(retried.returncode in (0, 1), retried.stderr)
                cluster.await_healthy()
                cluster.await_settled()
            outcome.add(ledger.check(cluster))
            ended = outcomes_of(cluster)
            for n in range(10):
                found = ended[f"early-{number}-{n}"]
                outcome.require(found["decided"] == 1, f"early-{number}-{n} ended {dict(found)}")
            left = Counter(int(str(letter["failures"])) for letter in _open_letters(cluster))
            outcome.require(sum(left.values()) == 5 * (number + 1), f"open: {dict(left)}")
            outcome.require(max(left) >= TRIES, f"failures: {dict(left)}")
            outcome.times += 15
    return outcome


def _table(chance: random.Random, delimiter: str) -> tuple[str, list[int]]:
    """A table, and the numbers of its lines that hold no event."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(HEADER)
    at, bad = datetime(2026, 1, 1, tzinfo=UTC), []
    wrong = set(chance.sample(range(ROWS), 12))
    for row in range(ROWS):
        if row in wrong:
            writer.writerow(chance.choice(list(BROKEN.values())))
            bad.append(row + 2)
            continue
        at += timedelta(seconds=1)
        path = chance.choice((*FORMULAS, "/", '/"quoted"', "/with,comma;semi\ttab"))
        writer.writerow((stamp(at), "198.51.100.1", "GET", path, 200))
    return text.getvalue(), bad


def _open_letters(cluster: Cluster) -> list[dict[str, object]]:
    """The letters that were not put back."""
    listed = centinela(cluster, "dead-letters", "list", "-n", "10000", "-o", "json")
    assert listed.returncode == 0, listed.stderr
    found: list[dict[str, object]] = json.loads(listed.stdout)
    return found
