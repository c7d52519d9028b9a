"""A batch posted to the real API, its answer, and the same lines in a console consumer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from producer.topics import ensure_topics
from scripts.stack import software
from scripts.stack.ports import free_ports
from tests.integration.agents import PARTITIONS, START_WITHIN_S, Agent, running
from tests.stacks import Stack

ROOT = Path(__file__).parents[2]
TRAVERSAL = "GET /../../etc/passwd?id=1%27%20OR%201=1-- HTTP/1.1"


@pytest.fixture
def api(stack: Stack, tmp_path: Path) -> Iterator[str]:
    """The address of an API with both agents behind it."""
    ensure_topics(stack.kafka, "access", PARTITIONS)
    port = free_ports(1)[0]
    environment = {
        **os.environ,
        "CENTINELA_KAFKA": stack.kafka,
        "CENTINELA_REDIS": stack.redis,
        "CENTINELA_API_PORT": str(port),
    }
    command = [sys.executable, "-m", "api"]
    address = f"http://127.0.0.1:{port}"
    agents = (Agent("ingestion", stack, tmp_path), Agent("decision", stack, tmp_path))
    with (tmp_path / "api.log").open("wb") as log, running(*agents):
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            _await_ready(address)
            yield address
        finally:
            process.terminate()
            process.wait(20)


def _await_ready(address: str) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{address}/ready", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise AssertionError("the API did not become ready")


def _line(client: str, request: str, agent: str = "Mozilla/5.0 (X11) Firefox/140.0") -> str:
    now = datetime.now(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    return f'{client} - - [{now}] "{request}" 200 512 "-" "{agent}"'


def _watched(stack: Stack, topic: str, wanted: set[str]) -> dict[str, dict[str, Any]]:
    """What a console consumer prints about some events, by event id."""
    try:
        software.kafka_jars(software.java())
    except Exception as missing:
        pytest.skip(f"no console consumer: {missing}")
    command = [str(ROOT / "scripts" / "kafka-console-consumer"), "--bootstrap-server", stack.kafka]
    command += ["--topic", topic, "--from-beginning", "--timeout-ms", "8000"]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=90, cwd=ROOT).stdout
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    return {line["event_id"]: line for line in lines if line["event_id"] in wanted}


def _told(folder: Path, agent: str, trace: str) -> dict[str, int]:
    """What an agent's log says came of a request, by its correlation id."""
    lines = [json.loads(line) for line in (folder / f"{agent}.log").read_text().splitlines()]
    results = [line["result"] for line in lines if line.get("trace") == trace]
    assert all(line["latency_ms"] >= 0 for line in lines if line.get("trace") == trace)
    return {word: sum(one.get(word, 0) for one in results) for one in results for word in one}


@pytest.mark.timeout(300)
def test_a_posted_attack_is_blocked_and_seen_on_both_topics(
    api: str, stack: Stack, tmp_path: Path
) -> None:
    body = "\n".join(
        [
            _line("198.51.100.77", TRAVERSAL, "sqlmap/1.7"),
            _line("198.51.100.78", "GET /index.html HTTP/1.1"),
        ]
    )

    answer = httpx.post(
        f"{api}/analyze",
        content=body,
        headers={"Content-Type": "text/plain", "Prefer": "wait=20", "X-Request-ID": "e2e-1"},
        timeout=30,
    )

    assert answer.status_code == 200
    assert answer.headers["X-Request-ID"] == "e2e-1"
    attack, ordinary = answer.json()["results"]
    assert (attack["action"], ordinary["action"]) == ("block", "allow")
    assert "path_traversal" in attack["rules"]
    assert attack["reasons"]
    ids = {attack["event_id"], ordinary["event_id"]}
    decisions = _watched(stack, "decisions.access", ids)
    actions = _watched(stack, "actions.access", ids)
    assert _told(tmp_path, "ingestion", "e2e-1") == {"decided": 2}
    assert _told(tmp_path, "decision", "e2e-1") == {"decided": 2, "block": 1, "allow": 1}
    assert {line["outcome"] for line in decisions.values()} == {"decided"}
    assert decisions.keys() == ids
    assert {i: line["action"] for i, line in actions.items()} == {
        attack["event_id"]: "block",
        ordinary["event_id"]: "allow",
    }


@pytest.mark.timeout(300)
def test_every_outcome_comes_back_and_features_count_each_event_once(
    api: str, stack: Stack
) -> None:
    client, event_id = f"client-{uuid4()}", str(uuid4())
    now = datetime.now(UTC).isoformat()
    event = {
        "event_id": event_id,
        "occurred_at": now,
        "client_ip": client,
        "method": "GET",
        "path": "/",
        "status": 200,
    }
    future = {**event, "event_id": f"{event_id}-f", "occurred_at": "2099-01-01T00:00:00Z"}
    late = {**event, "event_id": f"{event_id}-l", "occurred_at": "2001-01-01T00:00:00Z"}
    invalid = {**event, "status": "teapot"}

    answer = httpx.post(
        f"{api}/v1/analyze",
        json=[event, event, future, late, invalid],
        headers={"Prefer": "wait=20"},
        timeout=30,
    )

    assert answer.status_code == 200
    outcomes = [result["outcome"] for result in answer.json()["results"]]
    assert outcomes == ["decided", "duplicate", "dead", "late", "invalid"]
    features = httpx.get(f"{api}/v1/features/access/{client}", params={"at": "latest"}).json()
    assert features["features"]["client_requests_count_24h"] == 1
    again = httpx.get(f"{api}/v1/analyses/{answer.json()['batch_id']}")
    assert again.json()["results"] == answer.json()["results"]
