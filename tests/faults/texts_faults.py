"""M: text of every kind, and text that would be something else."""

from __future__ import annotations

import json
import random
import re

from tests.faults import ledger
from tests.faults.callers import Stranger, caller
from tests.faults.catalogue import Outcome, fault
from tests.faults.cluster import Clusters
from tests.faults.events import ATTACK, an_event, answers, deliver, just_now, request
from tests.faults.processes import Process

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


@fault(
    "M5",
    "text of all scripts, marks and controls in every field",
    passes="it comes back as it was sent; NUL is refused at the API",
    times=2 * len(TEXTS),
)
def texts(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome(note="NUL in PostgreSQL: tests/unit/stream_agents/test_recording.py")
    with clusters(with_api=True) as cluster, caller(cluster) as client:
        for door in ("api", "topic"):
            events = [
                an_event(
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
            answer = client.post("/analyze", json=[an_event(**{field: "a\0b"})])
            found = answer.json().get("errors", [{}])[0].get("pointer")
            outcome.require((answer.status_code, found) == (422, f"/events/0/{field}"), answer.text)
        nul = request("nul", "a\0b", just_now(), path=f"/\0{ATTACK}")
        outcome.add(ledger.check(cluster, deliver(cluster, [nul])))
    return outcome


@fault(
    "M6",
    "line breaks, colours and forged lines in every text and header",
    passes="every line of every log is one JSON object, and none is forged",
    times=20,
)
def log_injection(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    fields = ("event_id", "client_ip", "method", "path", "referrer", "user_agent")
    with clusters(with_api=True) as cluster, caller(cluster) as client:
        stranger = Stranger(cluster)
        for number in range(times):
            text = f"{number}{FORGED}"
            events = [an_event(**{field: text}) for field in fields]
            headers = {
                "Prefer": "wait=20",
                "X-Request-ID": "a\x1b[31m{}".format('"}{"'),
                "Idempotency-Key": f'"{number}"',
            }
            answer = client.post("/analyze", json=events, headers=headers)
            outcome.require(answer.status_code in (200, 202, 400), answer.text)
            broken = [an_event(**{field: text, "status": text}) for field in fields]
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
