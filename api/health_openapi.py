"""How the API describes its routes for operation."""

from __future__ import annotations

from starlette.responses import Response

from api.openapi import Described, RouteDocs, alias_of, content, good

PARTS = {"kafka": "ok", "redis": "ok", "champion": "ok"}
VERSION_EXAMPLE = {
    "release": "0.1.0",
    "api": "v1",
    "python": "3.11.7",
    "policies": {"access": "access-2"},
}


def operation(name: str, summary: str, responses: dict[int, Described]) -> RouteDocs:
    return {
        "summary": summary,
        "tags": ["operations"],
        "operation_id": name,
        "methods": ["GET"],
        "response_class": Response,
        "responses": responses,
    }


LIVE = operation(
    "livez",
    "The process is alive",
    {200: good("Alive", content("Health", alive={"status": "ok", "parts": {}}))},
)
READY = operation(
    "readyz",
    "Kafka, Redis and a readable champion are there",
    {
        200: good("Ready", content("Health", ready={"status": "ok", "parts": PARTS})),
        503: good(
            "A part is away; `parts` names it",
            content(
                "Health",
                no_redis={"status": "unavailable", "parts": PARTS | {"redis": "unavailable"}},
                no_kafka={"status": "unavailable", "parts": PARTS | {"kafka": "unavailable"}},
            ),
        ),
    },
)
HEALTH, READY_ALIAS = alias_of(LIVE), alias_of(READY)
VERSION = operation(
    "version", "What is running", {200: good("Now", content("Version", now=VERSION_EXAMPLE))}
)
METRICS = operation(
    "metrics",
    "Metrics for Prometheus",
    {200: {"description": "Exposition format", "content": {"text/plain": {}}}},
)
