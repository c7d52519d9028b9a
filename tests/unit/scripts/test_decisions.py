"""`centinela decisions list`: what it asks of the API, page by page, and what it prints."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import CliRunner, Result

from api.decisions_openapi import DECISIONS_PAGE
from scripts.cli import cli

KEPT = 450


class Api:
    """Answers kept by number, given in the documented shape; the cursor is the next number."""

    def __init__(self) -> None:
        self.asked: list[dict[str, list[str]]] = []
        self.given: dict[str, Any] = dict(DECISIONS_PAGE["decisions"][0])
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # http.server's name
                query = parse_qs(urlsplit(self.path).query)
                api.asked.append(query)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(api.page(query)).encode())

            def log_message(self, format: str, *args: object) -> None:
                """A test's requests are no news."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)

    def page(self, query: dict[str, list[str]]) -> dict[str, Any]:
        first, limit = int(query.get("cursor", ["0"])[0]), int(query["limit"][0])
        last = min(first + limit, KEPT)
        kept = [self.given | {"event_id": f"web-{number}"} for number in range(first, last)]
        return DECISIONS_PAGE | {"decisions": kept, "next": str(last) if last < KEPT else None}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Api]:
    made = Api()
    monkeypatch.setenv("CENTINELA_HOME", str(tmp_path))
    monkeypatch.setenv("CENTINELA_API_PORT", str(made.server.server_port))
    monkeypatch.setenv("COLUMNS", "200")
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def run(*arguments: str) -> Result:
    ended = CliRunner().invoke(cli, ["decisions", "list", *arguments], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended


@pytest.mark.parametrize("limit", [1, 199, 200, 201, KEPT])
def test_as_many_as_wanted_come_from_as_many_pages_as_they_fill(api: Api, limit: int) -> None:
    told = json.loads(run("--limit", str(limit), "-o", "json").stdout)

    assert [one["event_id"] for one in told] == [f"web-{number}" for number in range(limit)]
    assert len(api.asked) == (limit + 1 + 199) // 200


@pytest.mark.parametrize(("limit", "says"), [(KEPT - 1, True), (KEPT, False), (KEPT + 1, False)])
def test_that_there_are_more_is_said_unless_quiet(api: Api, limit: int, says: bool) -> None:
    assert ("there are more" in run("--limit", str(limit)).stderr) == says
    assert run("--limit", str(limit), "--quiet").stderr == ""


def test_only_the_filters_that_were_given_are_asked(api: Api) -> None:
    run("--action", "block", "--since", "2h", "--entity", "2001:db8::1&x", "-n", "2")
    run("-n", "2")

    assert api.asked[0] == {
        "pack": ["access"],
        "action": ["block"],
        "since": ["2h"],
        "entity": ["2001:db8::1&x"],
        "limit": ["3"],
    }
    assert api.asked[1] == {"pack": ["access"], "limit": ["3"]}


def test_a_row_has_when_who_what_and_why(api: Api) -> None:
    [line] = [line for line in run("-n", "1").stdout.splitlines() if "web-0" in line]

    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert cells == [
        "2026-11-21T03:00:00.012Z",
        "203.0.113.7",
        "web-0",
        "block",
        "0.78",
        "the request carries a piece of SQL",
    ]


@pytest.mark.parametrize("option", ["--action", "--outcome"])
def test_what_cannot_be_meant_is_refused(api: Api, option: str) -> None:
    ended = CliRunner().invoke(cli, ["decisions", "list", option, "allowed"])

    assert ended.exit_code == 2
    assert "'allow', 'alert'" in ended.stderr or "'decided', 'duplicate'" in ended.stderr
    assert api.asked == []


def test_a_row_without_an_action_has_its_outcome_and_the_error(api: Api) -> None:
    dead = {
        "event_id": "0-1-2",
        "outcome": "dead",
        "entity": None,
        "action": None,
        "score": None,
        "error": {"detail": "no JSON"},
    }
    api.given |= dead
    [line] = [line for line in run("--outcome", "any").stdout.splitlines() if "web-0" in line]

    assert api.asked[0]["outcome"] == ["any"]
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert cells[1:] == ["", "web-0", "dead", "", "no JSON"]
