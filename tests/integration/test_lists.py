"""Blocks and lists on the real stack: each change is in force while the same agents run."""

from __future__ import annotations

import asyncio
import itertools
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
from uuid import uuid4

import httpx
import pytest

from feature_store.online import connect
from models.catalog import pack_named
from scripts.stack.ports import free_ports
from tests.integration.agents import START_WITHIN_S, Agent, running, start_afresh
from tests.stacks import Stack

IN_FORCE_WITHIN_S = 10.0
"""Said to be a second; this machine may be busy."""

OWN = pack_named("access").policy.version
HELD_S = 4 * 3600
CLIENT, NEIGHBOUR, RANGE = "203.0.113.7", "203.0.113.8", "203.0.113.0/24"
ALLOW, DENY = "/v1/lists/access/allow", "/v1/lists/access/deny"


@dataclass(frozen=True, slots=True)
class Door:
    """The API, asked about one event at a time."""

    http: httpx.Client

    def visit(self, client: str, path: str = "/") -> dict[str, Any]:
        """The answer to an ordinary request of a client's, made now."""
        event = {
            "event_id": str(uuid4()),
            "occurred_at": datetime.now(UTC).isoformat(),
            "client_ip": client,
            "method": "GET",
            "path": path,
            "status": 200,
        }
        answer = self.http.post("/analyze", json=[event], headers={"Prefer": "wait=20"})
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()["results"][0]
        return result

    def attack(self, client: str) -> dict[str, Any]:
        return self.visit(client, "/../../etc/passwd")

    def await_version(self, version: str) -> None:
        """Returns once the agents answer by a version of policy and lists."""
        deadline = time.monotonic() + IN_FORCE_WITHIN_S
        for last in itertools.count(1):
            if self.visit(f"198.51.100.{last % 256}")["policy"] == version:
                return
            assert time.monotonic() < deadline, f"{version} is not in force"
            time.sleep(0.1)
        raise AssertionError

    def lists(self, method: str, path: str, entry: str) -> None:
        """Adds an entry or takes it off; waits until that is in force."""
        if method == "POST":
            answer = self.http.post(path, json={"entry": entry, "note": "why"})
        else:
            answer = self.http.delete(f"{path}/{entry}")
        assert answer.is_success, answer.text
        self.await_version(f"{OWN}+lists.{answer.json()['revision']}")


@contextmanager
def door(stack: Stack, folder: Path) -> Iterator[Door]:
    port = free_ports(1)[0]
    environment = {
        **os.environ,
        "CENTINELA_KAFKA": stack.kafka,
        "CENTINELA_REDIS": stack.redis,
        "CENTINELA_API_PORT": str(port),
    }
    with (folder / "api.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "api"], env=environment, stdout=log, stderr=log
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            await_ready(client)
            yield Door(client)
    finally:
        process.terminate()
        process.wait(20)


def await_ready(client: httpx.Client) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline:
        try:
            if client.get("/ready").status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise AssertionError("the API did not become ready")


@pytest.fixture
def fresh(stack: Stack) -> Iterator[Stack]:
    """A stack on which nobody is listed, before and after."""
    start_afresh(stack)
    yield stack
    asyncio.run(_unlist(stack.redis))


async def _unlist(url: str) -> None:
    redis = connect(url)
    for pattern in ("lists:*", "policy:*"):
        async for key in redis.scan_iter(pattern):
            await redis.delete(key)
    await redis.aclose()


def codes(result: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in result["reasons"]]


@pytest.mark.timeout(300)
def test_lists_decide_and_clear_without_a_restart(fresh: Stack, tmp_path: Path) -> None:
    agents = Agent("ingestion", fresh, tmp_path), Agent("decision", fresh, tmp_path)
    with running(*agents), door(fresh, tmp_path) as to:
        started = [agent.process for agent in agents]

        assert to.attack(CLIENT)["action"] == "block"
        held = to.visit(CLIENT)
        assert (held["action"], codes(held)) == ("block", ["block_in_force"])

        to.lists("POST", ALLOW, CLIENT)
        allowed = to.visit(CLIENT), to.attack(CLIENT)
        assert [each["action"] for each in allowed] == ["allow", "allow"]
        assert [codes(each)[0] for each in allowed] == ["on_allow_list"] * 2

        to.lists("DELETE", ALLOW, CLIENT)
        alone, again = to.visit(CLIENT), to.attack(CLIENT)
        assert (alone["action"], alone["reasons"]) == ("allow", [])
        assert (again["action"], again["ttl_s"]) == ("block", HELD_S)

        to.lists("POST", DENY, RANGE)
        to.lists("POST", ALLOW, CLIENT)
        assert codes(to.visit(NEIGHBOUR)) == ["on_deny_list"]
        assert to.visit(CLIENT)["action"] == "allow"

        to.lists("DELETE", DENY, RANGE)
        assert to.visit(NEIGHBOUR)["action"] == "allow"
        assert [agent.process for agent in agents] == started
        assert all(process is not None and process.poll() is None for process in started)


@pytest.mark.timeout(300)
def test_a_policy_changes_without_a_restart(fresh: Stack, tmp_path: Path) -> None:
    agents = Agent("ingestion", fresh, tmp_path), Agent("decision", fresh, tmp_path)
    with running(*agents), door(fresh, tmp_path) as to:
        changed = to.http.put("/v1/policies/access", json={"score": {"challenge": 0.0}})
        to.await_version(changed.json()["version"])
        everyone = to.visit(NEIGHBOUR)

        reset = to.http.delete("/v1/policies/access")
        to.await_version(reset.json()["version"])
        nobody = to.visit(NEIGHBOUR)

    assert (everyone["action"], nobody["action"]) == ("challenge", "allow")
    assert everyone["reasons"]


@pytest.mark.timeout(300)
def test_a_block_outlives_the_agent_that_decided_it(fresh: Stack, tmp_path: Path) -> None:
    ingestion, decision = Agent("ingestion", fresh, tmp_path), Agent("decision", fresh, tmp_path)
    with running(ingestion, decision), door(fresh, tmp_path) as to:
        assert to.attack(CLIENT)["action"] == "block"
        decision.kill()
        decision.start()
        decision.await_healthy()

        held = to.visit(CLIENT)
        assert (held["action"], codes(held)) == ("block", ["block_in_force"])
