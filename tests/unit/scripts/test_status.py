"""`centinela status`: what it reads from the agents, and what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from typer.testing import CliRunner

from feature_store.fence import Fence
from scripts.agents import (
    CONTAINED,
    READY,
    SILENT,
    STARTING,
    AgentState,
    agent_at,
    agents_of,
    figures,
)
from scripts.cli import cli
from scripts.stack.ports import free_ports
from scripts.stack.settings import LocalStack
from stream_agents.metrics import StageMetrics
from tests.unit.scripts.test_cli import PORTS, answering


def exposed(stage: str) -> str:
    """What an agent with two partitions tells."""
    metrics = StageMetrics("access", stage, 2)
    metrics.taken_over(0, Fence("epoch", 9, decided=90, late=2))
    metrics.taken_over(1, Fence("epoch", 4, decided=10, dead=1))
    metrics.lag({0: 3, 1: 4})
    return generate_latest(metrics.registry).decode()


def test_lag_and_totals_are_added_up_over_partitions() -> None:
    lag, events = figures(exposed("ingestion"), "ingestion")

    assert lag == 7
    assert events == {"decided": 100, "duplicate": 0, "late": 2, "dead": 1}


def test_another_stages_figures_are_left_alone() -> None:
    assert figures(exposed("decision"), "ingestion") == (None, {})
    assert figures("", "ingestion") == (None, {})


@pytest.mark.parametrize(("status", "state"), [(200, READY), (503, STARTING), (500, SILENT)])
def test_an_agents_health_is_its_state(status: int, state: str) -> None:
    with answering(status, b"") as port:
        assert agent_at("ingestion", port, "http://127.0.0.1:9").state == state


def test_agents_within_the_apis_process_are_found_there() -> None:
    with answering(200, exposed("decision").encode()) as port:
        api = f"http://127.0.0.1:{port}"
        found = agent_at("decision", free_ports(1)[0], api)
        other = agent_at("ingestion", free_ports(1)[0], api)

    assert (found.state, found.lag, found.events["decided"]) == (READY, 7, 100)
    assert other == AgentState("ingestion", SILENT)


def test_agents_in_containers_are_not_said_to_be_silent() -> None:
    settings = LocalStack.model_validate({"stack": "docker"})

    assert {agent.state for agent in agents_of(settings)} == {CONTAINED}


def test_a_stack_that_is_not_there_is_told_and_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CENTINELA_HOME", str(tmp_path))
    for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True):
        monkeypatch.setenv(f"CENTINELA_{name}_PORT", str(port))

    table = CliRunner().invoke(cli, ["status"])
    told = CliRunner().invoke(cli, ["status", "-o", "json"])

    assert (table.exit_code, told.exit_code) == (1, 1)
    assert table.stdout.count("does not answer") == 2
    assert "not ready" in table.stdout
    assert json.loads(told.stdout)["agents"]["decision"] == {
        "state": SILENT,
        "lag": None,
        "events": {},
    }
