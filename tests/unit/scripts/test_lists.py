"""`centinela lists` and `centinela policy`: what they ask of the API, and what they print."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from models.errors import DetectionError
from scripts.cli import cli

ENTRY = {
    "entry": "203.0.113.0/24",
    "until": "2026-11-21T05:00:00.000Z",
    "note": "[red]abuse[/red] report",
    "author": "ana",
    "added_at": "2026-11-21T03:00:00.000Z",
}
CHANGED = {"pack": "access", "list": "deny", "revision": 12, "entry": ENTRY}
POLICY = {
    "pack": "access",
    "version": "access-1+policy.2",
    "revision": 2,
    "policy": {
        "score": {"alert": 0.95},
        "ttl": {"block": "4h"},
        "holds": "block",
        "escalation": {"factor": 2},
    },
    "changes": {"score": {"alert": 0.95}},
}


class Api:
    """An API that notes what it is asked, and gives one answer to everything."""

    def __init__(self) -> None:
        self.answer: Any = {}
        self.asked: list[tuple[str, str, Any]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                api.asked.append((self.command, self.path, body))
                listed = {"list": self.path.split("/")[4]} if self.path.count("/") > 3 else {}
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(api.answer | listed).encode())

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, format: str, *args: object) -> None:
                """A test's requests are no news."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Api]:
    made = Api()
    monkeypatch.setenv("CENTINELA_HOME", str(tmp_path))
    monkeypatch.setenv("CENTINELA_API_PORT", str(made.server.server_port))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("LOGNAME", "ana")
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def run(*arguments: str) -> str:
    """What a command prints; its error is raised."""
    ended = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def test_an_entry_is_added_in_its_one_way_of_writing_for_a_time(api: Api) -> None:
    api.answer = CHANGED
    entry = "::ffff:203.0.113.0/120"
    said = run("lists", "access", "add", "--deny", entry, "--for", "2h", "--note", "why")

    body = {"entry": "203.0.113.0/24", "note": "why", "author": "ana", "ttl_s": 7200}
    assert api.asked == [("POST", "/v1/lists/access/deny", body)]
    assert said == "203.0.113.0/24 is on the deny list until 2026-11-21T05:00:00.000Z\n"


def test_an_entry_without_an_end_is_for_ever(api: Api) -> None:
    api.answer = CHANGED | {"entry": ENTRY | {"until": None}}
    said = run("lists", "access", "add", "web-1", "--allow", "--author", "rosa")

    body = {"entry": "web-1", "note": "", "author": "rosa"}
    assert api.asked == [("POST", "/v1/lists/access/allow", body)]
    assert said == "203.0.113.0/24 is on the allow list for ever\n"


def test_an_entry_is_removed(api: Api) -> None:
    api.answer = CHANGED
    said = run("lists", "access", "remove", "--allow", "203.0.113.0/24")

    assert api.asked == [("DELETE", "/v1/lists/access/allow/203.0.113.0/24", None)]
    assert said == "203.0.113.0/24 is off the allow list\n"


def test_a_name_with_a_blank_survives_the_address(api: Api) -> None:
    api.answer = CHANGED
    run("lists", "access", "remove", "--deny", "a b?c")

    assert api.asked[0][1] == "/v1/lists/access/deny/a%20b%3Fc"


def test_both_lists_are_shown_unless_one_is_named(api: Api) -> None:
    api.answer = {"entries": [ENTRY]}
    both, one = run("lists", "access", "show"), run("lists", "access", "show", "--deny")

    assert [path for _, path, _ in api.asked] == [
        "/v1/lists/access/allow",
        "/v1/lists/access/deny",
        "/v1/lists/access/deny",
    ]
    assert both.count("203.0.113.0/24") == 2
    assert one.count("[red]abuse[/red] report") == 1


@pytest.mark.parametrize("action", [["add", "web-1"], ["remove", "web-1"]])
def test_what_changed_is_printed_for_programs(api: Api, action: list[str]) -> None:
    api.answer = CHANGED
    said = run("lists", "access", *action, "--deny", "-o", "json")

    assert json.loads(said) == CHANGED


def test_lists_are_printed_for_programs(api: Api) -> None:
    api.answer = {"entries": [ENTRY]}
    said = run("lists", "access", "show", "-o", "json")

    assert json.loads(said) == {"allow": [ENTRY], "deny": [ENTRY]}


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["lists", "access", "add", "--deny", "203.0.113.300"], "must be an address"),
        (["lists", "access", "add", "203.0.113.7"], "say which list: --allow or --deny"),
        (["lists", "access", "remove", "203.0.113.7"], "say which list: --allow or --deny"),
        (["lists", "access", "add", "--deny", "x", "--for", "soon"], "--for must be a duration"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_the_api_is_asked(
    api: Api, arguments: list[str], rule: str
) -> None:
    with pytest.raises(DetectionError, match=rule):
        run(*arguments)

    assert api.asked == []


def test_the_policy_is_shown_with_what_was_changed(api: Api) -> None:
    api.answer = POLICY
    lines = run("policy", "access", "show").splitlines()

    [score] = [line for line in lines if "score.alert" in line]
    [ttl] = [line for line in lines if "ttl.block" in line]
    assert api.asked == [("GET", "/v1/policies/access", None)]
    assert "0.95" in score
    assert "changed" in score
    assert "changed" not in ttl


def test_a_policy_is_set_from_a_file(api: Api, tmp_path: Path) -> None:
    api.answer = POLICY
    file = tmp_path / "policy.toml"
    file.write_text("[score]\nalert = 0.95\n")
    said = run("policy", "access", "set", str(file), "-o", "json")

    assert api.asked == [("PUT", "/v1/policies/access", {"score": {"alert": 0.95}})]
    assert json.loads(said) == POLICY


def test_a_policy_is_reset(api: Api) -> None:
    api.answer = POLICY
    run("policy", "access", "reset")

    assert api.asked == [("DELETE", "/v1/policies/access", None)]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (b"[score", "policy.toml: must be TOML"),
        (b"\xff", "policy.toml: must be TOML"),
        (b"scores = {}", "unknown field `scores`"),
    ],
)
def test_a_bad_policy_file_is_refused_before_the_api_is_asked(
    api: Api, tmp_path: Path, text: bytes, rule: str
) -> None:
    file = tmp_path / "policy.toml"
    file.write_bytes(text)

    with pytest.raises(DetectionError, match=rule):
        run("policy", "access", "set", str(file))

    assert api.asked == []
