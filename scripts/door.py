"""Asking the API, for the commands: plain HTTP, and one line where it goes wrong."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from models.errors import DetectionError, InvalidSource, Unavailable
from scripts.stack.health import http_answers

TIMEOUT_S = 30.0
NOT_THERE = frozenset({"unknown-entity", "unknown-decision", "unknown-analysis", "unknown-entry"})
"""Kinds of problems by which the API says that it knows nothing of the kind."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A JSON answer; `location` is where to ask again after a 202."""

    status: int
    body: Any  # decoded JSON; each command knows the schema of what it asked for
    location: str | None = None


class Refused(InvalidSource):
    """What the API says to a caller's fault.

    Args:
        kind: Of the problem, such as `unknown-entity`; empty where it told none.
    """

    def __init__(self, line: str, kind: str) -> None:
        super().__init__(line)
        self.kind = kind


class NotThere(Refused):
    """What was asked for is not known, though the question was a good one."""


def is_ready(api: str) -> bool:
    return http_answers(f"{api}/ready")()


def get(url: str) -> Reply:
    return _ask(urllib.request.Request(url))


def post_text(url: str, text: str) -> Reply:
    headers = {"Content-Type": "text/plain"}
    return _ask(urllib.request.Request(url, text.encode(), headers, method="POST"))


def send(method: str, url: str, body: Any = None) -> Reply:
    """Asks with a JSON body, or without one if it is None."""
    headers = {} if body is None else {"Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    return _ask(urllib.request.Request(url, data, headers, method=method))


def _ask(request: urllib.request.Request) -> Reply:
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return Reply(answer.status, json.load(answer), answer.headers.get("Location"))
    except urllib.error.HTTPError as error:
        raise _refused(request, error) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise Unavailable(
            f"no answer from {request.full_url}: {reason}; is `make up` running?"
        ) from None


def _refused(request: urllib.request.Request, error: urllib.error.HTTPError) -> DetectionError:
    """The API's problem details as our error: its fault from 500 on, the caller's below."""
    kind = ""
    try:
        problem = json.load(error)
        said = problem.get("detail") or problem.get("title")
        kind = str(problem.get("type", "")).rpartition("/")[2]
    except (ValueError, AttributeError):
        said = error.reason
    line = f"{request.get_method()} {request.full_url}: {error.code}, {said}"
    if error.code >= 500:
        return Unavailable(line)
    return NotThere(line, kind) if kind in NOT_THERE else Refused(line, kind)
