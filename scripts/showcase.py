"""What `up` shows: a batch with attacks in it, and the answer as a table."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
LOGIN_TRIES = 40

STYLES = {"allow": "green", "alert": "yellow", "challenge": "magenta", "block": "red"}


@dataclass(frozen=True, slots=True)
class Request:
    """A web request as an access log has it."""

    client: str
    line: str
    status: int
    size: int
    agent: str

    def logged(self, at: datetime) -> str:
        """In the Combined Log Format."""
        stamp = at.strftime("%d/%b/%Y:%H:%M:%S +0000")
        request = f'"{self.line} HTTP/1.1" {self.status} {self.size}'
        return f'{self.client} - - [{stamp}] {request} "-" "{self.agent}"'


ORDINARY = (
    Request("203.0.113.10", "GET /", 200, 5120, BROWSER),
    Request("203.0.113.10", "GET /static/site.css", 200, 9120, BROWSER),
    Request("203.0.113.11", "GET /products/42", 200, 8410, BROWSER),
)
ATTACKS = (
    Request(
        "198.51.100.23",
        "GET /products?id=1%27%20UNION%20SELECT%20login,password%20FROM%20users--",
        500,
        312,
        "sqlmap/1.7.2#stable (https://sqlmap.org)",
    ),
    Request("198.51.100.24", "GET /../../../../etc/passwd", 404, 196, "curl/8.5.0"),
)
LOGIN = Request("198.51.100.25", "POST /login", 401, 98, "python-requests/2.31.0")

BATCH = (*ORDINARY, *ATTACKS, *itertools.repeat(LOGIN, LOGIN_TRIES))


def batch_text(at: datetime | None = None) -> str:
    now = at or datetime.now(UTC)
    return "".join(f"{request.logged(now)}\n" for request in BATCH)


def answer_table(results: Sequence[dict[str, Any]]) -> Table:
    """Client, request, action, score and reasons; requests told alike are one row."""
    table = Table(title="POST /analyze answered", title_justify="left")
    for column in ("client", "request", "action", "score", "reasons"):
        table.add_column(column, overflow="fold")
    for request, group in itertools.groupby(
        zip(BATCH, results, strict=False), key=lambda pair: pair[0]
    ):
        _add_rows(table, request, [result for _, result in group])
    return table


def _add_rows(table: Table, request: Request, results: Iterable[dict[str, Any]]) -> None:
    for action, group in itertools.groupby(results, key=verdict):
        alike = list(group)
        times = f" (x {len(alike)})" if len(alike) > 1 else ""
        last = alike[-1]
        score = last.get("score")
        table.add_row(
            request.client,
            Text(request.line + times),
            Text(action, style=STYLES.get(action, "")),
            "" if score is None else f"{score:.2f}",
            Text("; ".join(reason["text"] for reason in last.get("reasons", ()))),
        )


def verdict(result: dict[str, Any]) -> str:
    """The action, or how the event ended if it was not decided."""
    return str(result.get("action") or result.get("outcome"))


def detects(results: Iterable[dict[str, Any]]) -> bool:
    return any(result.get("action") not in (None, "allow") for result in results)
