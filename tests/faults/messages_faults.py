"""M: records and requests that hold no event."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from producer.records import DEAD_LETTER, Record
from tests.faults import ledger
from tests.faults.callers import NDJSON, Stranger, caller
from tests.faults.catalogue import Outcome, fault
from tests.faults.cluster import DECISIONS, Cluster, Clusters
from tests.faults.events import ATTACK, Answer, an_event, answers, deliver, just_now, request
from tests.faults.harm import after_the_last, pids_of, require_unharmed
from tests.faults.shapes import EMPTY, GOOD, HEADERS, broken_shapes
from tests.topics import read_topic

ANSWERED_WITHIN_S = 5.0
REFUSED: Mapping[str, Any] = {
    "missing": ...,
    "null": None,
    "number": 7,
    "list": [],
    "object": {},
    "true": True,
}
"""What a required field may hold instead; `...` leaves it out."""
NUMBERS = (
    *(b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1e308", b"-0.0", b"200.5"),
    *(b"9" * 5_000, b"-1", b"0", b"99", b"1000", b"9223372036854775808", b"18446744073709551616"),
    *(b"0200", b"0x20", b"1_000", b"+200", b"true", b"null", b'"200"', b"[200]"),
)
"""As a status, none of them is one."""


@fault(
    "M1",
    "220 records that hold no event: JSON gone wrong, binary, gzip, Avro, noise",
    passes="each is a dead letter with reason and place, found by its id; no worker ends or stops",
    times=220,
    quick=80,
)
def shapes(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome(note="the forms of a body: tests/unit/api/test_bad_bodies.py")
    with clusters() as cluster:
        stranger, pids = Stranger(cluster), pids_of(cluster)
        sent: dict[tuple[int, int], bytes | None] = {}
        for number, shape in enumerate([*EMPTY, *broken_shapes(chance, times)]):
            partition = number % cluster.partitions
            headers = HEADERS[number % len(HEADERS)]
            [place] = stranger.write([shape], partition, headers=headers)
            assert isinstance(place, tuple), place
            sent[place] = shape
        took_s = after_the_last(cluster, "shapes")
        outcome.figures["seconds until the next event was answered"] = took_s
        outcome.require(took_s < ANSWERED_WITHIN_S, f"stood still for {took_s:.1f} s")
        outcome.add(ledger.check(cluster))
        _require_letters(outcome, cluster, sent)
        require_unharmed(outcome, cluster, pids)
        stranger.write([*EMPTY, *broken_shapes(chance, times)], 0, DECISIONS)
        outcome.require(
            after_the_last(cluster, "foreign") < ANSWERED_WITHIN_S, f"stopped by {DECISIONS}"
        )
        require_unharmed(outcome, cluster, pids)
        outcome.times += len(sent)
    return outcome


@fault(
    "M2",
    "events with a field missing, of another type, unknown, or of a version to come",
    passes="the API names the field by a pointer, the worker by its reason; the rest is judged",
    times=40,
)
def schemas(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome(note="all bodies and pointers: tests/unit/api/test_bad_bodies.py")
    wrong = _wrong_schemas()
    cases = chance.sample(wrong, min(times, len(wrong)))
    with clusters(with_api=True) as cluster, caller(cluster) as client:
        for number, (field, fields) in enumerate(cases):
            good = an_event(event_id=f"good-{number}")
            answer = client.post("/analyze", json=[good, fields], headers={"Prefer": "wait=20"})
            told = answer.json()["results"]
            outcome.require(told[0]["outcome"] == "decided", f"beside {fields}: {told[0]}")
            pointer = told[1].get("error", {}).get("pointer", "")
            outcome.require(pointer == f"/events/1/{field}", f"{field}: {told[1]}")
            outcome.times += 1
        stranger = Stranger(cluster)
        stranger.write([json.dumps(fields).encode() for _, fields in cases], 1)
        outcome.add(ledger.check(cluster))
        letters = read_topic(cluster.kafka, DEAD_LETTER)[0]
        reasons = [_header(letter, "reason") for letter in letters]
        for (field, _), reason in zip(cases, reasons, strict=True):
            outcome.require(f"{field}`" in reason or f".{field}" in reason, f"{field}: {reason}")
    return outcome


@fault(
    "M3",
    "numbers that are none, too large, or of another form",
    passes="none is judged, and each score and feature on the topics is finite",
    times=2 * len(NUMBERS),
)
def numbers(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome(note="what the model sees is finite: tests/unit/models/test_artifacts.py")
    spoilt = [GOOD.replace(b"200", number) for number in NUMBERS]
    spoilt += [GOOD.replace(b"}", b', "bytes": %s}' % n) for n in (b"1e308", b"-0.0", b"-1")]
    with clusters(with_api=True) as cluster, caller(cluster) as client:
        for line in spoilt:
            answer = client.post("/analyze", content=line, headers=NDJSON)
            outcome.require(answer.status_code == 422, f"{answer.status_code} to {line[-60:]!r}")
        Stranger(cluster).write(spoilt, chance.randrange(cluster.partitions))
        outcome.add(ledger.check(cluster))
        ended = Counter(answer.outcome for answer in answers(cluster))
        outcome.require(ended == {"dead": len(spoilt)}, f"outcomes: {dict(ended)}")
        attacks = [
            request(f"n-{i}", f"n-{i % 5}", just_now(), path=ATTACK, bytes=2**40 * (i % 2))
            for i in range(50)
        ]
        outcome.add(ledger.check(cluster, deliver(cluster, attacks)))
        found = [a.told for a in answers(cluster) if a.outcome == "decided"]
        for told in found:
            values = [told["score"], *told.get("features", {}).values()]
            outcome.require(all(map(math.isfinite, values)), f"{told}")
            outcome.require(0 <= told["score"] <= 1, f"{told}")
        outcome.require(len(found) == len(attacks), f"{len(found)} of {len(attacks)} are decided")
        outcome.times += 2 * len(spoilt)
    return outcome


def _wrong_schemas() -> list[tuple[str, dict[str, Any]]]:
    """The field that is wrong, and the event."""
    good = an_event(user_agent="curl/8", bytes=5)
    wrong = []
    for field in ("occurred_at", "client_ip", "method", "path", "status"):
        for kind, value in REFUSED.items():
            if (field, kind) == ("status", "number"):
                continue
            changed = {name: known for name, known in good.items() if name != field}
            wrong.append((field, changed if value is ... else {**changed, field: value}))
    for field in ("event_id", "user_agent", "referrer", "bytes", "label"):
        wrong.append((field, {**good, field: {"a": 1}}))
    for field in ("version", "schema", "country", "clientIp"):
        wrong.append((field, {**good, field: "2"}))
    return wrong


def _require_letters(
    outcome: Outcome, cluster: Cluster, sent: Mapping[tuple[int, int], bytes | None]
) -> None:
    """Each line of what was sent is a dead letter with a reason, and an answer under its id."""
    due = {
        (partition, offset, line): raw
        for (partition, offset), value in sent.items()
        for line, raw in enumerate(_lines(value))
    }
    letters: dict[tuple[int, int, int], Record] = {}
    for record in read_topic(cluster.kafka, DEAD_LETTER)[0]:
        at = [int(_header(record, name)) for name in ("partition", "offset", "line")]
        letters.setdefault((at[0], at[1], at[2]), record)
    told: dict[str, Answer] = {answer.event_id: answer for answer in answers(cluster)}
    for place, raw in due.items():
        letter = letters.get(place)
        fits = letter is not None and letter.value == raw and _header(letter, "reason")
        outcome.require(bool(fits), f"{place} {raw[:60]!r}: no dead letter with a reason")
        by_place = told.get("-".join(map(str, place)))
        known = by_place or told.get("shape") or told.get("x" * 257)
        outcome.require(known is not None and known.outcome == "dead", f"{place}: {known}")


def _lines(value: bytes | None) -> Sequence[bytes]:
    return [line for line in (value or b"").split(b"\n") if line.strip()]


def _header(record: Record, name: str) -> str:
    return (record.header(name) or b"").decode(errors="replace")
