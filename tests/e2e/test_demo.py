"""`centinela demo` as a process of its own: what it prints, what it answers, and how it ends."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.showcase import ATTACKS
from scripts.stack.ports import free_ports, is_free
from scripts.stack.settings import ROOT
from tests.e2e.commands import Command

WITHIN_S = 160.0
"""Where no kernel is compiled yet, that alone takes a minute."""

CLI = ("-m", "scripts.cli")
PORTS = ("KAFKA", "KAFKA_CONTROLLER", "REDIS", "INGESTION", "DECISION", "API")
SMALL = ("--events", "2000")


@dataclass(frozen=True)
class Demo(Command):
    """A run of the command on a port of its own."""

    port: int

    @property
    def complaints(self) -> str:
        """The lines that tell what went wrong."""
        lines = self.said.splitlines(keepends=True)
        return "".join(line for line in lines if line.startswith(("centinela: ", "Traceback", "{")))

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another command, beside it."""
        return subprocess.run(
            [sys.executable, *CLI, *arguments],
            cwd=ROOT,
            env={**os.environ, "CENTINELA_API_PORT": str(self.port)},
            capture_output=True,
            text=True,
        )


@contextmanager
def started(
    folder: Path, *arguments: str, program: Sequence[str] = CLI, **environment: str
) -> Iterator[Demo]:
    ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    settings = {f"CENTINELA_{name}_PORT": port for name, port in ports.items()} | environment
    inherited = {n: v for n, v in os.environ.items() if n not in ("CENTINELA_STARTED", "STACK")}
    with (folder / "stdout").open("wb") as shown, (folder / "stderr").open("wb") as complaints:
        process = subprocess.Popen(
            [sys.executable, *program, *arguments],
            cwd=ROOT,
            env={**inherited, "CENTINELA_HOME": str(folder / "home"), **settings},
            stdout=shown,
            stderr=complaints,
        )
    try:
        yield Demo(process, folder, WITHIN_S, int(settings["CENTINELA_API_PORT"]))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One run for the tests of a demo that is there; the last of them ends it."""
    with started(tmp_path_factory.mktemp("demo"), "demo", *SMALL, "--watch", "--rate", "50") as run:
        run.await_line("Ctrl-C ends it")
        yield run


def test_attackers_are_found_and_every_event_is_accounted_for(demo: Demo) -> None:
    assert "sent 2,000 = decided 2,000 + duplicate 0 + late 0 + dead-lettered 0 + missing 0" in (
        demo.shown
    )
    assert re.search(r"^│ 198\.51\.100\.\d+ .* block ", demo.shown, re.MULTILINE)
    assert re.search(r"^1\d of 1\d attackers in it were found; of \d+ other", demo.shown, re.M)
    assert "first detection after" in demo.shown
    assert demo.complaints == ""


def test_every_command_that_it_names_works(demo: Demo) -> None:
    named = [line.split("centinela ")[1] for line in demo.said.splitlines() if "centinela " in line]

    ran = [demo.run(*shlex.split(arguments)) for arguments in named]

    assert len(named) >= 3
    assert [each.stderr for each in ran if each.returncode] == []
    assert "BLOCK" in ran[0].stdout


def test_the_curl_that_it_names_is_answered(demo: Demo) -> None:
    [line] = [line for line in demo.said.splitlines() if "curl " in line]
    _, _, url, _, header, _, body = shlex.split(line)

    asked = urllib.request.Request(url, body.encode(), dict([header.split(": ")]))
    with urllib.request.urlopen(asked) as answer:
        told = json.load(answer)

    assert [each["action"] for each in told["results"]] == ["block"]


def test_what_others_ask_is_watched_too(demo: Demo) -> None:
    client = "2001:db8::66"

    posted(demo, client)
    demo.wait_until(lambda: client in demo.shown)

    [line] = [line for line in demo.shown.splitlines() if client in line]
    assert re.match(r"\d\d:\d\d:\d\d  block      2001:db8::66 +the request climbs out", line)


def test_clients_go_on_coming(demo: Demo) -> None:
    before = decided(demo)

    demo.wait_until(lambda: decided(demo) >= before + 20)


def test_its_pages_and_its_health_answer(demo: Demo) -> None:
    for path, part in (("/docs", "swagger"), ("/ready", '"ok"'), ("/openapi.json", "/analyze")):
        with urllib.request.urlopen(f"{demo.api}{path}") as answer:
            assert part in answer.read().decode()


def test_ctrl_c_ends_it_in_order(demo: Demo) -> None:
    demo.process.send_signal(signal.SIGINT)

    assert demo.ended() == 0
    assert demo.said.splitlines()[-1] == "stopping"
    assert demo.complaints == ""
    assert is_free(demo.port)


def test_once_ends_by_itself_and_leaves_nothing(tmp_path: Path) -> None:
    with started(tmp_path, "demo", *SMALL, "--once") as run:
        assert run.ended() == 0

    assert "first detection after" in run.shown
    assert "Ctrl-C" not in run.said
    assert not (tmp_path / "home").exists()


def test_no_batch_is_larger_than_the_api_takes(tmp_path: Path) -> None:
    few = {"CENTINELA_API_MAX_EVENTS": "20"}
    with started(tmp_path, "demo", "--events", "300", "--rate", "300", **few) as run:
        run.await_line("Ctrl-C ends it")
        run.wait_until(lambda: decided(run) >= 800)

    assert "sent 300 = decided 300" in run.shown
    assert run.complaints == ""


def test_json_is_all_that_a_program_reads(tmp_path: Path) -> None:
    with started(tmp_path, "demo", *SMALL, "--once", "-o", "json") as run:
        assert run.ended() == 0

    told = json.loads(run.shown)
    assert (told["sent"], told["decided"], told["missing"]) == (2_000, 2_000, 0)
    assert told["attackers_found"] >= told["attackers"] - 1 > 0
    assert {each["action"] for each in told["found"]} >= {"block"}
    assert told["first_detection_s"] > 0


def test_quiet_shows_what_was_found_and_no_more(tmp_path: Path) -> None:
    with started(tmp_path, "demo", *SMALL, "--once", "--quiet") as run:
        assert run.ended() == 0

    assert run.said == ""
    assert "what it found" in run.shown
    assert "first detection after" in run.shown.splitlines()[-1]


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        with started(tmp_path, "demo", CENTINELA_API_PORT=str(port)) as run:
            assert run.ended() == 2

    assert run.shown == ""
    assert run.complaints == (
        f"centinela: port {port} (API) is in use by pid {os.getpid()} (python); "
        "set CENTINELA_API_PORT or stop it\n"
    ).replace("(python)", f"({Path('/proc/self/comm').read_text().strip()})")


def test_up_without_maven_says_so_and_shows_the_demo(tmp_path: Path) -> None:
    """On a machine of which nothing is known but Python."""
    program = f"""
from pathlib import Path
from scripts.stack import software
software.JARS = Path({str(tmp_path)!r}) / "libs"
from scripts import cli
cli.main()
"""
    with started(tmp_path, "up", program=("-c", program), PATH=str(tmp_path)) as run:
        run.await_line("Ctrl-C ends it")
        assert run.run("features", "show", "access", "10.0.0.5").returncode == 0
        run.process.send_signal(signal.SIGINT)
        assert run.ended() == 0

    first, *_ = run.said.splitlines()
    assert "there is no mvn on PATH: install it (on Debian: apt-get install maven)" in first
    assert first.endswith("; here is the same pipeline in one process, its log and store in memory")
    assert "first detection after" in run.shown
    assert run.complaints == ""


def test_up_may_be_asked_for_it_and_down_ends_it(tmp_path: Path) -> None:
    with started(tmp_path, "up", STACK="embedded") as run:
        run.await_line("Ctrl-C ends it")
        home = {"CENTINELA_HOME": str(tmp_path / "home")}
        command = [sys.executable, *CLI, "down"]
        down = subprocess.run(command, cwd=ROOT, env={**os.environ, **home}, capture_output=True)
        assert run.ended() == 0

    assert down.stdout == b"ended: up\n"
    assert is_free(run.port)


def posted(demo: Demo, client: str) -> Any:
    """An attack of a client, now."""
    event = {
        "occurred_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "client_ip": client,
        "method": "GET",
        "path": ATTACKS[-1].line.split()[1],
        "status": 404,
    }
    body = json.dumps({"events": [event]}).encode()
    headers = {"Content-Type": "application/json"}
    asked = urllib.request.Request(f"{demo.api}/analyze", body, headers)
    with urllib.request.urlopen(asked) as answer:
        return json.load(answer)


def decided(demo: Demo) -> float:
    """Events that the decision agent has decided, of whatever action."""
    with urllib.request.urlopen(f"{demo.api}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    told = [line for line in lines if line.startswith("centinela_events_total{")]
    return sum(float(line.split()[-1]) for line in told if 'stage="decision"' in line)
