"""The whole description: FastAPI's paths, with our structs' schemas and our words."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from api.event_limits import LIMITS
from api.examples import BATCH_ID
from api.openapi import REF, Described, parameter
from api.problems import ProblemDetails
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
    Version,
)
from models.pack import DomainPack
from stream_agents.explained import Explanation

OURS: tuple[type[msgspec.Struct], ...] = (
    *(Analysis, Pending, EntityFeatures, Health, Version, ProblemDetails),
    *(NewEntry, EntryChanged, ListShown, PolicyShown, Explanation, Decisions),
)
ARGUMENT = re.compile(r"^    (\w[\w, ]*): (.*(?:\n {8,}.*)*)", re.MULTILINE)


def description(
    app: FastAPI, packs: Mapping[str, DomainPack], routers: Sequence[APIRouter]
) -> Callable[[], Described]:
    """What `app.openapi` is replaced by."""

    def openapi() -> Described:
        if app.openapi_schema is None:
            described = get_openapi(
                title=app.title, version=app.version, summary=app.summary, routes=app.routes
            )
            named = schemas([pack.event for pack in packs.values()])
            described.setdefault("components", {})["schemas"] = named
            for route, operation in operations(described, routers):
                in_our_words(operation, route)
                explain_path(operation, packs)
            app.openapi_schema = described
        return app.openapi_schema

    return openapi


def operations(
    described: Described, routers: Sequence[APIRouter]
) -> Iterator[tuple[APIRoute, Described]]:
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                for method in route.methods or ():
                    yield route, described["paths"][route.path_format][method.lower()]


def in_our_words(operation: Described, route: APIRoute) -> None:
    """Answers and bodies as the route has them.

    FastAPI leaves out whatever is null, in examples too, and adds a 422 wherever an address has a
    parameter, though ours are text.
    """
    operation["responses"] = {str(status): docs for status, docs in route.responses.items()}
    extra = route.openapi_extra or {}
    operation |= {name: extra[name] for name in ("requestBody",) if name in extra}


def explain_path(operation: Described, packs: Iterable[str]) -> None:
    """Put what the parts of addresses are in the place of FastAPI's words for them."""
    ours = {each["name"]: each for each in path_parameters(packs)}
    given = operation.get("parameters", [])
    if given:
        operation["parameters"] = [
            ours.get(each["name"], each) if each["in"] == "path" else each for each in given
        ]


def path_parameters(packs: Iterable[str]) -> list[Described]:
    one_of = {"type": "string", "enum": list(packs)}
    lists = {"type": "string", "enum": ["allow", "deny"]}
    return [
        parameter("pack", "path", "A domain.", "access", one_of),
        parameter("listed", "path", "Which list.", "deny", lists),
        parameter("entry", "path", "As the list shows it.", "203.0.113.0/24"),
        parameter("entity", "path", "What features are about: a client.", "203.0.113.7"),
        parameter("event_id", "path", "The event's id, percent-encoded.", "web-1-000042"),
        parameter("batch_id", "path", "As the POST answered.", BATCH_ID),
        parameter("kind", "path", "The end of a problem's `type`.", "invalid-json"),
    ]


def schemas(events: Iterable[type[msgspec.Struct]]) -> Described:
    kinds = list(events)
    _, components = msgspec.json.schema_components([*OURS, *kinds], ref_template=REF)
    described = {name: with_descriptions(schema) for name, schema in components.items()}
    for name, limits in LIMITS.items():
        for field, limit in limits.items():
            described[name]["properties"][field] |= limit
    listed = [{"$ref": REF.format(name=kind.__name__)} for kind in kinds]
    described["Events"] = {"type": "array", "minItems": 1, "items": {"anyOf": listed}}
    described["Batch"] = {
        "type": "object",
        "properties": {
            "pack": {"type": ["string", "null"], "default": "access", "enum": ["access", None]},
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
