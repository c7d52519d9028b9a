"""The API's description of itself: how routes say what they take, answer and refuse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from api.problem_kinds import KINDS
from api.problems import MEDIA_TYPE

REF = "#/components/schemas/{name}"
RouteDocs = dict[str, Any]  # keyword arguments of `add_api_route`
Described = dict[str, Any]  # an object of the description

EVERYWHERE = ("X-Request-ID", "Server-Timing")
TEXT: Described = {"schema": {"type": "string"}}
HEADERS: Mapping[str, Described] = {
    "X-Request-ID": {"description": "The request's, or one that was made for it", **TEXT},
    "Server-Timing": {"description": "`total;dur=` and milliseconds", **TEXT},
    "Location": {"description": "Where to ask again", **TEXT},
    "Retry-After": {"description": "In how many seconds", "schema": {"type": "integer"}},
    "Preference-Applied": {"description": "The wait that was granted: `wait=5`", **TEXT},
    "Idempotent-Replayed": {"description": "`true`: the batch was taken before", **TEXT},
    "Allow": {"description": "The methods that the address has", **TEXT},
}


def schema_of(struct: str) -> Described:
    return {"$ref": REF.format(name=struct)}


def content(struct: str, **examples: Any) -> Described:
    """JSON of a struct, with examples by their names."""
    shown = {name: {"value": value} for name, value in examples.items()}
    return {"application/json": {"schema": schema_of(struct), "examples": shown}}


def good(description: str, content: Described, *headers: str) -> Described:
    return {"description": description, "headers": headers_of(*headers), "content": content}


def headers_of(*names: str) -> Described:
    return {name: HEADERS[name] for name in (*names, *EVERYWHERE)}


def answers(
    kinds: Iterable[str], good: Mapping[int | str, Described]
) -> dict[int | str, Described]:
    """The good answers, and the problems that a route may have, by kind."""
    by_status: dict[int | str, list[str]] = {}
    for kind in (*kinds, "internal"):
        by_status.setdefault(KINDS[kind].status, []).append(kind)
    return {**good, **{status: problems(kinds) for status, kinds in by_status.items()}}


def problems(kinds: list[str]) -> Described:
    status = KINDS[kinds[0]].status
    comes_back = ("Retry-After",) if status in (409, 503) else ()
    examples = {kind: {"value": problem_example(kind)} for kind in kinds}
    return {
        "description": HTTPStatus(status).phrase,
        "headers": headers_of(*comes_back),
        "content": {MEDIA_TYPE: {"schema": schema_of("ProblemDetails"), "examples": examples}},
    }


def problem_example(kind: str) -> Described:
    told = KINDS[kind]
    return {
        "type": f"/problems/{kind}",
        "title": HTTPStatus(told.status).phrase,
        "status": told.status,
        "detail": told.cause,
    }


def parameter(
    name: str, where: str, text: str, example: Any = None, schema: Described | None = None
) -> Described:
    """Without an example where a page that fills it in would send the same again and again."""
    shown = {} if example is None else {"example": example}
    return {
        "name": name,
        "in": where,
        "description": text,
        "required": where == "path",
        "schema": schema or {"type": "string"},
        **shown,
    }


def alias_of(docs: RouteDocs) -> RouteDocs:
    """The same route under another address."""
    summary, operation = docs["summary"], docs["operation_id"]
    return {**docs, "summary": f"{summary} (alias)", "operation_id": f"{operation}_alias"}
