"""Why an event was answered so, on the real stack: of the API, and on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from models.catalog import pack_named
from scripts.stack.ports import free_ports
from tests.integration.agents import START_WITHIN_S, Agent, running, start_afresh
from tests.stacks import Stack

ROOT = Path(__file__).parents[2]
SQL = "/item?id=1%27%20UNION%20SELECT%20password%20FROM%20users--"
FEATURES = pack_named("access").features.names


@dataclass(frozen=True, slots=True)
class Centinela:
    """The API, and the commands beside it."""

    http: httpx.Client
    environment: dict[str, str]

    def post(self, client: str, *paths: str) -> list[dict[str, Any]]:
        """The answers to a client's requests, made one after the other in one batch."""
        now = datetime.now(UTC).isoformat()
        events = [
            {
                "event_id": f"{client}: {uuid4()}",
                "occurred_at": now,
                "client_ip": client,
                "method": "GET",
                "path": path,
                "status": 200,
            }
            for path in paths
        ]
        answer = self.http.post("/analyze", json=events, headers={"Prefer": "wait=20"})
        assert answer.status_code == 200, answer.text
        results: list[dict[str, Any]] = answer.json()["results"]
        return results

    def decision(self, event_id: str) -> httpx.Response:
        """What is kept, once it is: the caller is answered first."""
        deadline = time.monotonic() + 10
        while True:
            answer = self.http.get(f"/v1/decisions/{quote(event_id, safe='')}")
            if answer.status_code == 200 or time.monotonic() > deadline:
                return answer
            time.sleep(0.05)

    def explain(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "scripts.cli", "explain", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, cwd=ROOT, env=self.environment
        )

    def explained(self, event_id: str) -> dict[str, Any]:
        ended = self.explain(event_id, "-o", "json")
        assert ended.returncode == 0, ended.stderr
        told: dict[str, Any] = json.loads(ended.stdout)
        return told


@contextmanager
def serving(stack: Stack, folder: Path) -> Iterator[Centinela]:
    port = free_ports(1)[0]
    environment = {
        **os.environ,
        "CENTINELA_KAFKA": stack.kafka,
        "CENTINELA_REDIS": stack.redis,
        "CENTINELA_API_PORT": str(port),
        "COLUMNS": "160",
    }
    with (folder / "api.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "api"], env=environment, stdout=log, stderr=log
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=40) as http:
            await_ready(http)
            yield Centinela(http, environment)
    finally:
        process.terminate()
        process.wait(20)


def await_ready(http: httpx.Client) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline:
        try:
            if http.get("/ready").status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise AssertionError("the API did not become ready")


@pytest.fixture(scope="module")
def centinela(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centinela]:
    folder = tmp_path_factory.mktemp("explain")
    start_afresh(stack)
    agents = (Agent("ingestion", stack, folder), Agent("decision", stack, folder))
    with running(*agents), serving(stack, folder) as made:
        yield made


@pytest.mark.timeout(300)
def test_an_attack_is_explained_alike_by_the_api_and_on_the_command_line(
    centinela: Centinela,
) -> None:
    *_, result = centinela.post("203.0.113.7", "/", "/", SQL)
    answer = centinela.decision(result["event_id"])

    told = answer.json()
    assert answer.status_code == 200
    assert (told["answer"]["action"], told["answer"]["origin"]) == ("block", "kept")
    assert told["event"]["fields"]["path"] == SQL
    assert [rule["name"] for rule in told["rules"]] == result["rules"]
    assert told["rules"][0]["reference"] == "CWE-89, CAPEC-66"
    assert told["score"]["value"] == result["score"]
    known = {one["name"]: one["value"] for one in told["features"]}
    assert {name: value for name, value in known.items() if value is not None} == result["features"]
    assert told["notes"] == []
    assert centinela.explained(result["event_id"]) == told


@pytest.mark.timeout(300)
def test_an_allowed_event_is_derived_again_from_the_log(centinela: Centinela) -> None:
    first, second = centinela.post("203.0.113.8", "/", "/about")
    told = centinela.explained(second["event_id"])

    refused = centinela.http.get(f"/v1/decisions/{quote(second['event_id'], safe='')}")
    assert (refused.status_code, refused.json()["type"]) == (404, "/problems/unknown-decision")
    assert told["answer"]["action"] == "allow"
    assert told["derived_from"] == 2
    assert tuple(one["name"] for one in told["features"]) == FEATURES
    assert told["features"][0]["value"] == 2
    assert told["score"]["value"] == second["score"]
    assert told["notes"] == []


@pytest.mark.timeout(300)
def test_it_reads_as_text(centinela: Centinela) -> None:
    blocked, after = centinela.post("203.0.113.9", SQL, "/")
    centinela.decision(blocked["event_id"])
    first = centinela.explain(blocked["event_id"]).stdout
    second = centinela.explain(after["event_id"]).stdout

    assert first.startswith("╭─ BLOCK for 4h ─")
    assert "the request carries a piece of SQL" in first
    assert "what raises the score" in first
    assert "the answer as it was kept; the event is " in first
    assert "block in force until" in second
    assert "the features are derived again from 2 of 203.0.113.9's events" in second


@pytest.mark.timeout(300)
def test_an_event_that_is_nowhere_is_one_line_and_exit_code_1(centinela: Centinela) -> None:
    ended = centinela.explain("nowhere", "--since", "10m")

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == ("centinela: no event 'nowhere' is in the last 10m of events.access\n")
