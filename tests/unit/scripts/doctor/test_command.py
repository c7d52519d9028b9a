"""`centinela doctor` as it is typed: what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scripts.cli import cli
from scripts.doctor import command
from scripts.doctor.finding import Finding, State
from scripts.stack.ports import free_ports
from tests.unit.scripts.test_cli import PORTS

WELL = Finding("python", State.OK, "3.11.7")
OFF = Finding("kafka", State.OFF, "not running")
WARNED = Finding("kernels", State.WARNING, "are cold", "python -m stream_agents.warm")
REPAIR = "CENTINELA_KAFKA_PORT=1 make up"
BROKEN = Finding("port 19092", State.FAILED, "held by \x1b[2Jnginx", REPAIR)


def examined(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    monkeypatch.setattr(command, "examine", lambda settings: iter(findings))


def test_a_machine_that_is_well_ends_with_0_also_where_nothing_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    examined(monkeypatch, WELL, OFF, WARNED)
    ended = CliRunner().invoke(cli, ["doctor"])

    assert ended.exit_code == 0
    assert ended.stderr == "none of 3 checks failed\n"
    assert CliRunner().invoke(cli, ["doctor", "--quiet"]).stderr == ""


def test_each_failed_line_ends_with_the_command_that_repairs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    examined(monkeypatch, WELL, BROKEN)
    ended = CliRunner().invoke(cli, ["doctor"])

    assert ended.exit_code == 1
    assert ended.stdout.splitlines() == [
        "ok       python          3.11.7",
        r"failed   port 19092      held by \x1b[2Jnginx; run: CENTINELA_KAFKA_PORT=1 make up",
    ]
    assert ended.stderr == "1 of 2 checks failed\n"


def test_programs_get_findings_with_their_states(monkeypatch: pytest.MonkeyPatch) -> None:
    examined(monkeypatch, WELL, BROKEN)
    ended = CliRunner().invoke(cli, ["doctor", "-o", "json"])

    told = json.loads(ended.stdout)
    assert ended.exit_code == 1
    assert told["ok"] is False
    assert told["findings"][0] == {
        "check": "python",
        "state": "ok",
        "line": "3.11.7",
        "repair": None,
    }


def test_this_machine_can_be_examined(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All checks run, whatever they find."""
    monkeypatch.setenv("CENTINELA_HOME", str(tmp_path))
    for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True):
        monkeypatch.setenv(f"CENTINELA_{name}_PORT", str(port))
    told = json.loads(CliRunner().invoke(cli, ["doctor", "-o", "json"]).stdout)

    states = {one["check"]: one["state"] for one in told["findings"]}
    assert {"python", "packages", "disk", "docker", "java", "kafka jars"} <= set(states)
    assert {"model", "kernels", "redis-server", "kafka", "redis", "api", "clock"} <= set(states)
    assert (states["kafka"], states["redis"], states["api"]) == ("off", "off", "off")
