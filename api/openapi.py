"""The API's description of itself, from the structs that it decodes and encodes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response

from api import examples
from api.problems import MEDIA_TYPE, ProblemDetails
from api.schemas import (
    Analysis,
    Decisions,
    EntityFeatures,
    EntryChanged,
    Health,
    ListShown,
    NewEntry,
    Pending,
    PolicyShown,
)
from stream_agents.explained import Explanation

REF = "#/components/schemas/{name}"
ARGUMENT = re.compile(r"^    (\w[\w, ]*): (.*(?:\n {8,}.*)*)", re.MULTILINE)
RouteDocs = dict[str, Any]  # keyword arguments of `add_api_route`


def json_content(struct: str, example: Any) -> dict[str, Any]:
    schema = {"$ref": REF.format(name=struct)}
    return {"application/json": {"schema": schema, "example": example}}


def answers(
    statuses: Iterable[int], good: dict[int | str, dict[str, Any]]
) -> dict[int | str, dict[str, Any]]:
    """The good answers, and a problem for each of the other statuses."""
    problem = {"schema": {"$ref": REF.format(name="ProblemDetails")}}
    bad: dict[int | str, dict[str, Any]] = {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {
                MEDIA_TYPE: {**problem, "example": examples.INVALID} if status == 422 else problem
            },
        }
        for status in statuses
    }
    return {**good, **bad}


COMPLETE = {
    "description": "All answers, in the order of the request's events",
    "content": json_content("Analysis", examples.ANALYSIS),
}
PENDING = {
    "description": "Accepted and durable, but not all answers are there yet; poll `Location`",
    "content": json_content("Pending", examples.PENDING),
}
BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "anyOf": [{"$ref": REF.format(name="Batch")}, {"$ref": REF.format(name="Events")}]
            },
            "examples": {
                "batch": {"summary": "A batch for a pack", "value": examples.BATCH},
                "list": {"summary": "A bare list", "value": [examples.EVENT]},
            },
        },
        "application/x-ndjson": {
            "schema": {"type": "string", "description": "One event a line."},
            "example": examples.NDJSON,
        },
        "text/plain": {
            "schema": {"type": "string", "description": "Raw access-log lines (access alone)."},
            "example": examples.LOG,
        },
    },
}


def parameter(name: str, where: str, text: str, example: str) -> dict[str, Any]:
    schema = {"type": "string"}
    return {"name": name, "in": where, "description": text, "schema": schema, "example": example}


PARAMETERS = [
    parameter("pack", "query", "The pack, unless the body names it.", "access"),
    parameter("Prefer", "header", "`wait=N`: seconds to wait for the answers, 0 to 30.", "wait=5"),
    parameter("X-Request-ID", "header", "Correlation id; echoed, logged, sent along.", "web-1-77"),
]
ANALYZE: RouteDocs = {
    "summary": "Judge a batch of events",
    "description": "Publishes the events and waits for what to do about each. An invalid event "
    "gets its own entry and does not fail the others.",
    "tags": ["analyze"],
    "operation_id": "analyze",
    "response_class": Response,
    "responses": answers((400, 404, 413, 415, 422, 503, 500), {200: COMPLETE, 202: PENDING}),
    "openapi_extra": {"requestBody": BODY, "parameters": PARAMETERS},
}
ANALYZE_ALIAS: RouteDocs = {
    **ANALYZE,
    "summary": "Judge a batch of events (alias)",
    "operation_id": "analyze_alias",
}
ANALYSIS: RouteDocs = {
    "summary": "A batch that was accepted",
    "tags": ["analyze"],
    "operation_id": "analysis",
    "methods": ["GET"],
    "response_class": Response,
    "responses": answers((404, 503, 500), {200: COMPLETE, 202: PENDING}),
}
FEATURES: RouteDocs = {
    "summary": "What is known about an entity",
    "description": "The entity's windowed features as of now, or as of `at`.",
    "tags": ["features"],
    "operation_id": "features",
    "methods": ["GET"],
    "response_class": Response,
    "responses": answers(
        (400, 404, 503, 500),
        {
            200: {
                "description": "Each feature, null where it is unknown",
                "content": json_content("EntityFeatures", examples.FEATURES),
            }
        },
    ),
    "openapi_extra": {
        "parameters": [
            parameter("at", "query", "RFC 3339, or `latest` for the newest event.", "latest")
        ]
    },
}
PROBLEM: RouteDocs = {
    "summary": "Why a problem happens",
    "tags": ["problems"],
    "operation_id": "problem",
    "methods": ["GET"],
    "response_class": Response,
    "responses": answers((404,), {200: {"description": "In words", "content": {"text/plain": {}}}}),
}
HEALTH: RouteDocs = {
    "summary": "The process is alive",
    "tags": ["operations"],
    "operation_id": "health",
    "methods": ["GET"],
    "response_class": Response,
}
READY: RouteDocs = {
    "summary": "Kafka, Redis and a readable champion are there",
    "tags": ["operations"],
    "operation_id": "ready",
    "methods": ["GET"],
    "response_class": Response,
    "responses": {
        status: {
            "description": text,
            "content": json_content("Health", {"status": said, "parts": {"kafka": said}}),
        }
        for status, text, said in (
            (200, "Ready", "ok"),
            (503, "A part is away; `parts` names it", "unavailable"),
        )
    },
}
METRICS: RouteDocs = {
    "summary": "Metrics for Prometheus",
    "tags": ["operations"],
    "operation_id": "metrics",
    "methods": ["GET"],
    "response_class": Response,
    "responses": {200: {"description": "Exposition format", "content": {"text/plain": {}}}},
}


def description(
    app: FastAPI, events: Iterable[type[msgspec.Struct]]
) -> Callable[[], dict[str, Any]]:
    """What `app.openapi` is replaced by: FastAPI's paths with our structs' schemas."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            described = get_openapi(
                title=app.title, version=app.version, summary=app.summary, routes=app.routes
            )
            described.setdefault("components", {})["schemas"] = schemas(events)
            without_defaults(described)
            app.openapi_schema = described
        return app.openapi_schema

    return openapi


def without_defaults(described: dict[str, Any]) -> None:
    """Drop the 422 that FastAPI adds wherever an address has a parameter; ours are text."""
    for path in described["paths"].values():
        for operation in path.values():
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]


def schemas(events: Iterable[type[msgspec.Struct]]) -> dict[str, Any]:
    ours: list[Any] = [Analysis, Pending, EntityFeatures, Health, ProblemDetails]
    ours += [NewEntry, EntryChanged, ListShown, PolicyShown, Explanation, Decisions]
    kinds = list(events)
    _, components = msgspec.json.schema_components([*ours, *kinds], ref_template=REF)
    described = {name: with_descriptions(schema) for name, schema in components.items()}
    listed = [{"$ref": REF.format(name=kind.__name__)} for kind in kinds]
    described["Events"] = {"type": "array", "minItems": 1, "items": {"anyOf": listed}}
    described["Batch"] = {
        "type": "object",
        "properties": {
            "pack": {"type": "string", "default": "access"},
            "events": {"$ref": REF.format(name="Events")},
        },
        "required": ["events"],
        "additionalProperties": False,
    }
    return described


def with_descriptions(schema: dict[str, Any]) -> dict[str, Any]:
    """A struct's schema with the docstring's `Args` told at the fields they are about."""
    text, _, arguments = inspect.cleandoc(schema.get("description", "")).partition("\n\nArgs:\n")
    properties = {name: dict(field) for name, field in schema.get("properties", {}).items()}
    for names, about in ARGUMENT.findall(arguments):
        for name in names.split(", "):
            if name in properties:
                properties[name]["description"] = " ".join(about.split())
    return {**schema, "description": text, "properties": properties}
