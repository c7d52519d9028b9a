"""M: what stands in records and requests."""

from __future__ import annotations

import json
import math
import random
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from confluent_kafka import KafkaError

from producer.records import DEAD_LETTER, Record
from tests.faults import ledger
from tests.faults.callers import NDJSON, Stranger, caller
from tests.faults.catalogue import Outcome, fault
from tests.faults.cluster import DECISIONS, Cluster, Clusters
from tests.faults.events import ATTACK, Answer, answers, deliver, request
from tests.faults.processes import Process
from tests.faults.shapes import EMPTY, GOOD, HEADERS, broken_shapes
from tests.integration.agents import read_topic
from tests.unit.api.bad_bodies import POLICY, SECRET, TABLE, Bad

ANSWERED_WITHIN_S = 5.0
MIB = 2**20
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
TEXTS = {
    "right to left": "شبكة \u202e abc",
    "combining": "e\u0301 a\u0308",
    "composed": "é ä",
    "homoglyph": "аdmin",  # the first letter is Cyrillic
    "emoji": "👩\u200d💻",
    "four bytes": "\U00010348𝔘",
    "zero width": "a\u200bb\ufeff",
    "private use": "\ue000\uffff",
    "line separators": "a\u2028b\u2029c\x85",
    "controls": "a\tb\x7f\x01",
    "quotes": "\"\\\u002f'`",
}
FORGED = '"}\r\n{"event":"forged","level":"info"}\n\x1b[31mred\x1b[0m\x9b31m\x85\u2028\u202e\x7f'
SLOWEST_MS = 100.0


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
        stranger, pids = Stranger(cluster), _pids(cluster)
        sent: dict[tuple[int, int], bytes | None] = {}
        for number, shape in enumerate([*EMPTY, *broken_shapes(chance, times)]):
            partition = number % cluster.partitions
            headers = HEADERS[number % len(HEADERS)]
            [place] = stranger.write([shape], partition, headers=headers)
            assert isinstance(place, tuple), place
            sent[place] = shape
        took_s = _after_the_last(cluster, "shapes")
        outcome.figures["seconds until the next event was answered"] = took_s
        outcome.require(took_s < ANSWERED_WITHIN_S, f"stood still for {took_s:.1f} s")
        outcome.add(ledger.check(cluster))
        _require_letters(outcome, cluster, sent)
        _require_unharmed(outcome, cluster, pids)
        stranger.write([*EMPTY, *broken_shapes(chance, times)], 0, DECISIONS)
        outcome.require(
            _after_the_last(cluster, "foreign") < ANSWERED_WITHIN_S, f"stopped by {DECISIONS}"
        )
        _require_unharmed(outcome, cluster, pids)
        outcome.times += len(sent)
    return outcome


@fault(
    "M2",
    "events with a field missing, of another type, unknown, or of a version to come",
    passes="the API names the field by a pointer, the worker by its reason; the rest is judged",
    times=40,
    quick=20,
)
def schemas(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome(note="all bodies and pointers: tests/unit/api/test_bad_bodies.py")
    wrong = _wrong_schemas()
    cases = chance.sample(wrong, min(times, len(wrong)))
    with clusters(with_api=True) as cluster, caller(cluster) as client:
        for number, (field, fields) in enumerate(cases):
            good = _event(event_id=f"good-{number}")
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
    quick=2 * len(NUMBERS),
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
            request(f"n-{i}", f"n-{i % 5}", _now(), path=ATTACK, bytes=2**40 * (i % 2))
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


@fault(
    "M4",
    "records and bodies that are too large: as they are, compressed, of very many lines",
    passes="413 or refused by the broker; else dead by its beginning; the next event is answered",
    times=1,
    quick=1,
)
def sizes(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome(note="how a record is cut: tests/unit/stream_agents/test_lines.py")
    attack = request("", "198.51.100.9", _now(), path=ATTACK)[2]
    # Smaller than the topic's limit only as they travel; each line of attacks has a long answer.
    large: Mapping[str, bytes] = {
        "a line of 10 MB": b"a" * 10_000_000,
        "5 MB of attacks": b"\n".join([attack] * (5_000_000 // len(attack))),
        "1 MB of numbers": b"0\n" * 500_000,
        "1 MB of bad events": b"\n".join([attack.replace(b"GET", b"G\x00T")] * 6_000),
        "a field of 40 MB": b'{"%s": 1}' % (b"x" * 40_000_000),
        "a line of 70 MB": b"b" * 70_000_000,
    }
    with clusters(with_api=True) as cluster, caller(cluster) as client:
        before = {process.name: process.rss_mb() for process in cluster.processes}
        pids = _pids(cluster)
        for _ in range(times):
            for content in (b'["' + b"a" * 10 * MIB + b'"]', b"[" * 10 * MIB):
                status = client.post(
                    "/analyze", content=content, headers={"Content-Type": "application/json"}
                ).status_code
                outcome.require(status == 413, f"{status} to {len(content)} bytes")
                outcome.times += 1
            [refused] = Stranger(cluster).write([b"a" * (MIB + 1)], 0)
            is_refused = isinstance(refused, KafkaError)
            outcome.require(is_refused, f"the broker took 1 MiB + 1 at {refused}")
            for number, (name, value) in enumerate(large.items()):
                [place] = Stranger(cluster, "zstd").write([value], number % cluster.partitions)
                outcome.require(isinstance(place, tuple), f"{name}: {place}")
                took_s = _after_the_last(cluster, f"after-{number}")
                outcome.figures[f"seconds for {name}"] = took_s
                outcome.times += 1
            _require_unharmed(outcome, cluster, pids)
        outcome.add(ledger.check(cluster))
        grown = {p.name: p.rss_mb() - before[p.name] for p in cluster.processes}
        outcome.figures["MiB more in memory, worker"] = max(
            mib for name, mib in grown.items() if name != "api"
        )
        outcome.figures["MiB more in memory, API"] = grown["api"]
        outcome.require(grown["api"] < 50, f"the API has grown by {grown['api']:.0f} MiB")
    return outcome


@fault(
    "M5",
    "text of all scripts, marks and controls in every field",
    passes="it comes back as it was sent; NUL is refused at the API",
    times=2 * len(TEXTS),
    quick=2 * len(TEXTS),
)
def texts(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome(note="NUL in PostgreSQL: tests/unit/stream_agents/test_recording.py")
    with clusters(with_api=True) as cluster, caller(cluster) as client:
        for door in ("api", "topic"):
            events = [
                _event(
                    event_id=f"{door} {text}",
                    client_ip=text,
                    path=f"/{text}{ATTACK}",
                    user_agent=text,
                    referrer=text,
                    method=text,
                )
                for text in TEXTS.values()
            ]
            if door == "api":
                answer = client.post("/analyze", json=events, headers={"Prefer": "wait=20"})
                told = answer.json()["results"]
            else:
                lines = [(e["event_id"], e["client_ip"], json.dumps(e).encode()) for e in events]
                outcome.add(ledger.check(cluster, deliver(cluster, lines)))
                told = [a.told for a in answers(cluster) if a.event_id.startswith("topic ")]
            ends = {each["event_id"]: (each["entity"], each["action"]) for each in told}
            for event in events:
                due, found = (event["client_ip"], "block"), ends.get(event["event_id"])
                outcome.require(found == due, f"{due!r} became {found!r}")
            outcome.times += len(events)
        for field in ("client_ip", "path", "event_id", "user_agent"):
            answer = client.post("/analyze", json=[_event(**{field: "a\0b"})])
            found = answer.json().get("errors", [{}])[0].get("pointer")
            outcome.require((answer.status_code, found) == (422, f"/events/0/{field}"), answer.text)
        nul = request("nul", "a\0b", _now(), path=f"/\0{ATTACK}")
        outcome.add(ledger.check(cluster, deliver(cluster, [nul])))
    return outcome


@fault(
    "M6",
    "line breaks, colours and forged lines in every text and header",
    passes="every line of every log is one JSON object, and none is forged",
    times=20,
    quick=5,
)
def log_injection(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    fields = ("event_id", "client_ip", "method", "path", "referrer", "user_agent")
    with clusters(with_api=True) as cluster, caller(cluster) as client:
        stranger = Stranger(cluster)
        for number in range(times):
            text = f"{number}{FORGED}"
            events = [_event(**{field: text}) for field in fields]
            headers = {
                "Prefer": "wait=20",
                "X-Request-ID": "a\x1b[31m{}".format('"}{"'),
                "Idempotency-Key": f'"{number}"',
            }
            answer = client.post("/analyze", json=events, headers=headers)
            outcome.require(answer.status_code in (200, 202, 400), answer.text)
            broken = [_event(**{field: text, "status": text}) for field in fields]
            client.post("/analyze", json=broken, headers=headers)
            client.get("/v1/analyses/" + "%0a%1b[31mx")
            headed = [("trace", text.encode()), ("batch", text.encode()), ("reply", b"x\r\ny")]
            stranger.write(
                [json.dumps(e).encode() for e in (*events, *broken)], number % 8, headers=headed
            )
            outcome.times += 2 * len(fields)
        outcome.add(ledger.check(cluster))
        for process in cluster.processes:
            _require_clean_log(outcome, process)
    return outcome


@fault(
    "M7",
    "hostile bodies: nested, doubled, cut, packed, of 10 MB",
    passes="each gets its 4xx, or its own error in a batch; the quickest of three within 100 ms",
    times=sum(map(len, TABLE.values())),
)
def bodies(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome(note="the same bodies in the process: tests/unit/api/test_bad_bodies.py")
    every = [bad for table in TABLE.values() for bad in table]
    chance.shuffle(every)
    slowest = (0.0, "")
    with clusters(with_api=True) as cluster, caller(cluster) as client:
        for bad in every[:times]:
            given = {"Content-Type": bad.content_type, "Content-Encoding": bad.encoding}
            headers = {name: value for name, value in given.items() if value is not None}
            spent = []
            for _ in range(3):
                started = time.monotonic()
                answer = client.request(_method(bad), bad.path, content=bad.body, headers=headers)
                spent.append((time.monotonic() - started) * 1000)
                is_due = answer.status_code == bad.status or (
                    bad.status == 200 and answer.status_code == 202
                )
                outcome.require(is_due, f"{bad.id}: {answer.status_code}, not {bad.status}")
                outcome.require(SECRET not in answer.text, f"{bad.id}: repeats what it was sent")
            slowest = max(slowest, (min(spent), bad.id))
            if bad.status != 200:  # an event is answered when the workers have it
                quick = min(spent) < SLOWEST_MS
                outcome.require(quick, f"{bad.id}: {min(spent):.0f} ms")
            outcome.times += 1
        outcome.figures["slowest, ms"] = f"{slowest[0]:.1f} ({slowest[1]})"
        outcome.add(ledger.check(cluster))
    return outcome


def _event(**fields: object) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(request("", "203.0.113.9", _now())[2])
    return {**event, **fields}


def _now() -> datetime:
    return datetime.now(UTC) - timedelta(seconds=1)


def _method(bad: Bad) -> str:
    return "PUT" if bad.path == POLICY else "POST"


def _wrong_schemas() -> list[tuple[str, dict[str, Any]]]:
    """The field that is wrong, and the event."""
    good = _event(user_agent="curl/8", bytes=5)
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


def _pids(cluster: Cluster) -> dict[str, int]:
    return {process.name: process.pid for process in cluster.processes}


def _after_the_last(cluster: Cluster, name: str) -> float:
    """Seconds until an event of each partition that comes now is answered."""
    deliver(cluster, [request(f"{name}-{n}", f"{name}-{n}", _now()) for n in range(40)])
    return cluster.await_answered(cluster.ends())


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


def _require_unharmed(outcome: Outcome, cluster: Cluster, pids: Mapping[str, int]) -> None:
    """Every process is the one that was started, and has met no fault of ours."""
    for process in cluster.processes:
        alive = process.is_running and process.pid == pids[process.name]
        outcome.require(alive, f"{process.name} has ended: {process.last_words()}")
        worse = _worse_than_warnings(process.said().splitlines())
        outcome.require(not worse, f"{process.name} says {[line[:300] for line in worse[:2]]}")


def _worse_than_warnings(lines: Iterable[str]) -> list[str]:
    # The group's coordinator moves in while the first worker starts; Faust says so as an error.
    return [
        line
        for line in lines
        if '"level":"error"' in line and "Coordinator" not in line and "coordinator" not in line
    ]


def _require_clean_log(outcome: Outcome, process: Process) -> None:
    steering = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028-\\u202e]")
    bad = [
        line for line in process.said().splitlines() if _is_forged(line) or steering.search(line)
    ]
    outcome.require(not bad, f"{process.name} logs {len(bad)} such as {bad[:1]}")


def _is_forged(line: str) -> bool:
    """Whether it is anything but one line of a process of ours."""
    try:
        told = json.loads(line)
    except ValueError:
        return True
    return not isinstance(told, dict) or told.get("event", "forged") == "forged"
