"""Whether the books balance: every event that was accepted ends once, and the state is exact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256
from typing import Any, TypeVar

import msgspec

from feature_store.fence import Fence
from producer.records import DEAD_LETTER, Record
from producer.topics import topic_id
from stream_agents.stage import lines_of
from tests.faults import oracle
from tests.faults.cluster import ACTIONS, DECISIONS, EVENTS, STAGES, Cluster
from tests.faults.journal import Journal
from tests.faults.oracle import Books, Epoch, Key
from tests.topics import read_topic

K = TypeVar("K")

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong, counted; all but the last three must be 0.

    Args:
        lost: Records acknowledged by the broker that are not on the log as they were sent.
        missing: Event lines of the log without a final answer.
        visible_duplicates: Ids decided more often than the log earns, and repeated answers that
            differ from their first copy.
        wrong_answers: Final answers other than those of the log folded from nothing.
        dead_letter_errors: Dead letters missing, too many, or with other bytes.
        state_errors: Entity states, standings, rings of ids and fence totals other than those of
            the log folded from nothing, bit for bit.
        repeats: Records on the decisions and actions topics beyond the first copies; allowed.
        ambiguous: Events that the broker neither acknowledged nor refused in time.
        events: Event lines on the log.
    """

    lost: int = 0
    missing: int = 0
    visible_duplicates: int = 0
    wrong_answers: int = 0
    dead_letter_errors: int = 0
    state_errors: int = 0
    repeats: int = 0
    ambiguous: int = 0
    events: int = 0
    examples: tuple[str, ...] = ()

    @property
    def errors(self) -> dict[str, int]:
        """What must be 0 and is not, by name."""
        return {name: count for name in MUST_BE_ZERO if (count := getattr(self, name))}

    @property
    def is_balanced(self) -> bool:
        return not self.errors

    def __add__(self, other: Verdict) -> Verdict:
        counted = [field.name for field in fields(Verdict)]
        return Verdict(*(getattr(self, name) + getattr(other, name) for name in counted))


MUST_BE_ZERO = (
    "lost",
    "missing",
    "visible_duplicates",
    "wrong_answers",
    "dead_letter_errors",
    "state_errors",
)


def check(
    cluster: Cluster,
    journal: Journal | None = None,
    *,
    before: Sequence[Epoch] = (),
    settle_s: float = 90.0,
) -> Verdict:
    """Wait until nothing waits, then compare all topics and all of Redis with the log's own fold.

    Args:
        journal: What was sent; nothing is asked of the log's completeness without it.
        before: Earlier lives of the events topic, where it was deleted and made again; or the part
            of this life that was folded before records behind it were deleted.

    Raises:
        NotSettled: The stages did not catch up within `settle_s`.
    """
    cluster.await_settled(settle_s)
    life = epoch_of(cluster)
    expected = oracle.fold([*before, life], cluster.partitions)
    found, copies = found_by(cluster, life)
    examples: list[str] = []

    def wrong(kind: str, said: Iterable[str]) -> int:
        all_said = list(said)
        examples.extend(f"{kind}: {text}" for text in all_said[:SHOWN])
        return len(all_said)

    acked = journal.acked if journal else []
    return Verdict(
        lost=wrong("lost", _lost(acked, life)),
        missing=wrong("missing", missing_of(life, found.actions)),
        visible_duplicates=wrong("duplicate", _duplicates(expected, found, copies)),
        wrong_answers=wrong("answer", _different(expected.actions, found.actions)),
        dead_letter_errors=wrong("dead letter", _different(expected.dead, found.dead)),
        state_errors=wrong("state", _state_errors(expected, found)),
        repeats=copies.repeats,
        ambiguous=sum(len(sent.ids) for sent in journal.ambiguous) if journal else 0,
        events=sum(len(lines_of(record.value)) for log in life.logs for record in log),
        examples=tuple(examples),
    )


def epoch_of(cluster: Cluster) -> Epoch:
    """The events topic as it is now; kept before it is deleted, it goes into `before`."""
    return Epoch(topic_id(cluster.kafka, EVENTS), read_topic(cluster.kafka, EVENTS))


@dataclass(frozen=True, slots=True)
class Copies:
    """Records beyond the first copies, and those of them that differ from it."""

    repeats: int
    differing: tuple[str, ...]


def found_by(cluster: Cluster, life: Epoch) -> tuple[Books, Copies]:
    """What came out, and how much of it more than once."""
    scored = _first_copies(read_topic(cluster.kafka, DECISIONS), "decision")
    final = _first_copies(read_topic(cluster.kafka, ACTIONS), "action")
    events_of = {(r.partition, r.offset): oracle.source_of(r) for r in scored.every}
    answers: dict[Key, bytes] = {}
    for record in final.every:
        epoch, offset = events_of[record.partition, oracle.source_of(record)[1]]
        if epoch == life.id:
            answers.setdefault((record.partition, offset), record.value)
    (dead,) = read_topic(cluster.kafka, DEAD_LETTER)
    books = Books(
        actions=answers,
        dead=oracle.dead_letters(dead),
        states={stage: _states(cluster, stage) for stage in STAGES},
        rings={stage: _rings(cluster, stage) for stage in STAGES},
        fences={stage: cluster.fences(stage) for stage in STAGES},
    )
    differing = (*scored.differing, *final.differing)
    return books, Copies(scored.repeats + final.repeats, differing)


@dataclass(frozen=True, slots=True)
class _Copied:
    every: Sequence[Record]
    repeats: int
    differing: tuple[str, ...]


def _first_copies(logs: Sequence[Sequence[Record]], what: str) -> _Copied:
    """All records of a topic, and how its repeats of one source differ from the first."""
    first: dict[tuple[int, str, int], bytes] = {}
    repeats, differing = 0, []
    for log in logs:
        for record in log:
            key = (record.partition, *oracle.source_of(record))
            repeats += key in first
            if first.setdefault(key, record.value) != record.value:
                differing.append(f"{what} {key} repeated at {record.offset} with other bytes")
    return _Copied([record for log in logs for record in log], repeats, tuple(differing))


def _states(cluster: Cluster, stage: str) -> dict[tuple[int, str], bytes]:
    found: dict[tuple[int, str], bytes] = {}
    for partition in range(cluster.partitions):
        prefix = f"feature:{{{STAGES[stage]}.{partition}}}:client:"
        keys = list(_scanned(cluster, f"{prefix}*"))
        for first in range(0, len(keys), 1000):
            share = keys[first : first + 1000]
            for key, state in zip(share, cluster.redis.call("MGET", *share), strict=True):
                found[partition, key.decode().removeprefix(prefix)] = state
    return found


def _scanned(cluster: Cluster, pattern: str) -> Iterator[bytes]:
    cursor: Any = 0
    while True:
        cursor, keys = cluster.redis.call("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
        yield from keys
        if int(cursor) == 0:
            return


def _rings(cluster: Cluster, stage: str) -> dict[int, bytes]:
    keys = [f"seen:{{{STAGES[stage]}.{partition}}}" for partition in range(cluster.partitions)]
    rings = enumerate(cluster.redis.call("MGET", *keys))
    return {partition: ring for partition, ring in rings if ring is not None}


def _lost(acked: Iterable[Any], life: Epoch) -> Iterator[str]:
    logs = [{record.offset: record.value for record in log} for log in life.logs]
    for sent in acked:
        value = logs[sent.partition].get(sent.offset)
        if value is None or sha256(value).digest() != sent.digest:
            yield f"{sent.partition}-{sent.offset} with {sent.ids[0]} and {len(sent.ids) - 1} more"


def missing_of(life: Epoch, answers: Mapping[Key, bytes]) -> Iterator[str]:
    """The place of each event line without an answer."""
    for log in life.logs:
        for record in log:
            answered = len(lines_of(answers.get((record.partition, record.offset), b"")))
            for line in range(answered, len(lines_of(record.value))):
                yield f"{record.partition}-{record.offset}-{line}"


def _duplicates(expected: Books, found: Books, copies: Copies) -> Iterator[str]:
    yield from copies.differing
    earned, given = _decided(expected.actions), _decided(found.actions)
    for event_id, times in (given - earned).items():
        yield f"{event_id} decided {times} times too often"


def _decided(answers: Mapping[Key, bytes]) -> Counter[str]:
    decoded = (msgspec.json.decode(line) for value in answers.values() for line in lines_of(value))
    return Counter(line["event_id"] for line in decoded if line["outcome"] == "decided")


def _different(expected: Mapping[K, bytes], found: Mapping[K, bytes]) -> Iterator[str]:
    for key in expected.keys() | found.keys():
        if key not in found:
            yield f"{key} is missing"
        elif key not in expected:
            yield f"{key} is too much"
        elif expected[key] != found[key]:
            yield f"{key}: {expected[key][:120]!r} became {found[key][:120]!r}"


def _state_errors(expected: Books, found: Books) -> Iterator[str]:
    for stage in STAGES:
        for kind in ("states", "rings"):
            books = (getattr(side, kind)[stage] for side in (expected, found))
            yield from (f"{stage} {kind} {said}" for said in _different(*books))
        yield from _fence_errors(stage, expected.fences[stage], found.fences[stage])


def _fence_errors(
    stage: str, expected: Mapping[int, Fence], found: Mapping[int, Fence]
) -> Iterator[str]:
    for partition in expected.keys() | found.keys():
        due, there = _totals(expected.get(partition)), _totals(found.get(partition))
        if due != there:
            yield f"{stage} fence {partition}: {due} became {there}"


def _totals(fence: Fence | None) -> tuple[object, ...] | None:
    """What a fence counts; offsets of the decisions topic move with every repeat."""
    if fence is None:
        return None
    upstream = sorted((p, of.offset) for p, of in fence.upstream.items())
    counted = (fence.decided, fence.duplicate, fence.late, fence.dead, fence.seen)
    return (*counted, tuple(upstream), fence.epoch if not upstream else "")
