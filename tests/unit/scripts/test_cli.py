"""The command line: a user's error is one line on stderr and exit code 2."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import typer

from models.errors import InvalidSource, Unavailable
from producer.exits import Exit
from scripts import cli
from scripts.stack.pids import UP, PidFolder
from scripts.stack.ports import free_ports
from scripts.stack.settings import ROOT

PORTS = ("KAFKA", "KAFKA_CONTROLLER", "REDIS", "INGESTION", "DECISION", "API")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stack of the test's own: a fresh folder and free ports."""
    monkeypatch.setenv("CENTINELA_HOME", str(tmp_path))
    monkeypatch.delenv("STACK", raising=False)
    for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True):
        monkeypatch.setenv(f"CENTINELA_{name}_PORT", str(port))
    return tmp_path


class Run:
    """`centinela` with arguments, in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        self._monkeypatch.setattr("sys.argv", ["centinela", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = self._capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(monkeypatch, capsys)


def test_a_port_in_use_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        monkeypatch.setenv("CENTINELA_API_PORT", port)

        code, _, said = run("up")

    assert code == 2
    assert said.startswith(f"centinela: port {port} (API) is in use by pid {os.getpid()} (")
    assert said.endswith("; set CENTINELA_API_PORT or stop it\n")


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("CENTINELA_API_PORT", "door", "CENTINELA_API_PORT: Input should be a valid integer"),
        ("CENTINELA_REDIS_PORT", "70000", "CENTINELA_REDIS_PORT: Input should be less than 65536"),
        ("STACK", "podman", "STACK: Input should be 'native', 'docker' or 'embedded'"),
        ("CENTINELA_HOME", "/dev/null/home", "/dev/null/home cannot be used: Not a directory"),
    ],
)
def test_a_wrong_setting_is_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, line: str
) -> None:
    monkeypatch.setenv(variable, value)

    code, _, said = run("up")

    assert code == 2
    assert said.startswith(f"centinela: {line}")
    assert said.count("\n") == 1


def test_a_second_up_of_the_same_folder_is_refused(run: Run, home: Path) -> None:
    PidFolder(home / "run").record(UP, os.getpid(), 1.0)

    code, _, said = run("up")

    assert code == 2
    assert f"it is running already (pid {os.getpid()})" in said


def test_down_with_nothing_left_says_so(run: Run) -> None:
    assert run("down") == (0, "", "nothing was running\n")
    assert run("down", "--quiet") == (0, "", "")
    assert run("down", "-o", "json") == (0, '{"ended": []}\n', "")


def test_status_without_a_stack_is_not_ready(run: Run) -> None:
    code, shown, _ = run("status", "-o", "json")

    assert code == 1
    assert '"ready": false' in shown


def test_features_without_an_api_are_one_line(run: Run) -> None:
    code, _, said = run("features", "show", "access", "203.0.113.7")

    assert code == 3
    assert "Connection refused; is `make up` running?" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("status", "body", "line", "exit_code"),
    [
        (404, b'{"title": "Not Found", "type": "/problems/unknown-pack"}', "404, Not Found", 2),
        (404, b'{"detail": "no event", "type": "/problems/unknown-entity"}', "404, no event", 1),
        (400, b'{"detail": "\\u001b[2Jgone"}', r"400, \x1b[2Jgone", 2),
        (503, b"<html>", "503, Service Unavailable", 3),
    ],
)
def test_what_the_api_refuses_is_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, line: str, exit_code: int
) -> None:
    with answering(status, body) as port:
        monkeypatch.setenv("CENTINELA_API_PORT", str(port))

        code, _, said = run("features", "show", "access", "2001:db8::1")

    assert code == exit_code
    assert said.endswith(f"/v1/features/access/2001%3Adb8%3A%3A1: {line}\n")


def test_features_are_a_table_in_which_unknown_is_not_zero(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (
        b'{"at": "2026-11-21T03:00:00Z",'
        b' "features": {"client_requests_count_1m": 3.0, "client_gap_mean_1m": null}}'
    )
    with answering(200, body) as port:
        monkeypatch.setenv("CENTINELA_API_PORT", str(port))

        code, shown, _ = run("features", "show", "access", "203.0.113.7")

    lines = {line.strip("│ ").split("│")[0].strip(): line for line in shown.splitlines()}
    assert code == 0
    assert "3" in lines["client_requests_count_1m"]
    assert "unknown" in lines["client_gap_mean_1m"]


@pytest.mark.parametrize("arguments", [["nonsense"], ["features", "show", "access"]])
def test_wrong_usage_is_exit_code_2(run: Run, arguments: list[str]) -> None:
    code, _, said = run(*arguments)

    assert code == 2
    assert "Traceback" not in said


def test_the_version_is_that_of_the_project(run: Run) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert run("--version") == (0, f"centinela {version}\n", "")


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (KeyboardInterrupt(), Exit.INTERRUPTED),
        (InvalidSource("a.log: no such file"), Exit.USER_ERROR),
        (Unavailable("Kafka: no answer"), Exit.UNAVAILABLE),
        (PermissionError(13, "Permission denied", "/etc/x"), Exit.USER_ERROR),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), Exit.READER_GONE),
        (RuntimeError("of ours"), Exit.BUG),
        (ModuleNotFoundError("No module", name="sklearn"), Exit.USER_ERROR),
        (ModuleNotFoundError("No module", name="models.away"), Exit.BUG),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_each_way_to_end_has_its_exit_code(
    raised: BaseException, code: Exit, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise raised

    ended = cli.ending(lambda: app([]))

    said = capsys.readouterr()
    assert ended == code
    assert said.out == ""
    assert ("Traceback" in said.err) == (code is Exit.BUG)


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    """As `centinela simulate | head -1` does, also while Python would flush what is left."""
    command = [sys.executable, "-m", "scripts.cli", "simulate", "--events", "2000", "--quiet"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()

    assert (process.returncode, said) == (Exit.READER_GONE, b"")


@contextmanager
def answering(status: int, body: bytes) -> Iterator[int]:
    """The port of an HTTP server that gives one answer to every GET."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # http.server's name
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """A test's requests are no news."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()
