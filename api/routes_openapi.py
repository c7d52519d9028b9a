"""How the API describes its routes to batches, features and problems."""

from __future__ import annotations

from starlette.responses import Response

from api import examples
from api.idempotency import BARE, QUOTED
from api.openapi import RouteDocs, alias_of, answers, content, good, parameter, schema_of

COMPLETE = good(
    "All answers, in the order of the request's events",
    content("Analysis", blocked=examples.ANALYSIS, one_invalid=examples.PARTLY),
    "Preference-Applied",
    "Idempotent-Replayed",
)
PENDING = good(
    "Accepted and durable, but not all answers are there yet; poll `Location`",
    content("Pending", none_yet=examples.NONE_YET, some=examples.PENDING),
    "Location",
    "Retry-After",
    "Preference-Applied",
    "Idempotent-Replayed",
)
LOG_LINE = (
    r"\S+ \S+ \S+ \[\d{2}/(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)/\d{4}"
    r':\d{2}:\d{2}:\d{2} [+-]\d{4}\] "[^"\n]*" \d{3} (\d+|-)( "[^"\n]*" "[^"\n]*")?'
)
BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"anyOf": [schema_of("Batch"), schema_of("Events")]},
            "examples": {
                "batch": {"summary": "A batch for a pack", "value": examples.BATCH},
                "list": {"summary": "A bare list", "value": [examples.EVENT]},
                "test_clients": {
                    "summary": "One that is always blocked, and one always allowed",
                    "value": examples.REHEARSAL,
                },
                "late": {"summary": "Always answered 202 first", "value": examples.LATE},
            },
        },
        "application/x-ndjson": {
            "schema": {"type": "string", "description": "One event a line."},
            "examples": {"two_events": {"value": examples.NDJSON}},
        },
        "text/plain": {
            "schema": {"type": "string", "description": "Raw access-log lines (access alone)."},
            "examples": {"combined": {"value": examples.LOG}, "common": {"value": examples.COMMON}},
        },
    },
}
KEY = rf"^({BARE}|{QUOTED})$"
PARAMETERS = [
    parameter(
        "pack",
        "query",
        "The pack, unless the body names it.",
        "access",
        {"type": "string", "enum": ["access"]},
    ),
    parameter("Prefer", "header", "`wait=N`: seconds to wait for the answers, 0 to 30.", "wait=5"),
    parameter(
        "Idempotency-Key",
        "header",
        "A name of your own for this very body, such as a UUID: sent again under the same key, it "
        "is taken once; another body under it is refused. Kept for a day.",
        schema={"type": "string", "pattern": KEY},
    ),
    parameter("X-Request-ID", "header", "Correlation id; echoed, logged, sent along.", "web-1-77"),
]
REFUSED = (
    *("invalid-json", "invalid-encoding", "invalid-idempotency-key", "invalid-parameter"),
    *("unknown-pack", "idempotency-key-in-flight", "too-large", "unsupported-media-type"),
    *("invalid-events", "invalid-batch", "idempotency-key-reused", "unavailable"),
)
ANALYZE: RouteDocs = {
    "summary": "Judge a batch of events",
    "description": "Publishes the events and waits for what to do about each. An invalid event "
    "gets its own entry and does not fail the others. The clients 203.0.113.250, 203.0.113.251 "
    "and 203.0.113.252 are always blocked, always allowed and always answered late.",
    "tags": ["analyze"],
    "operation_id": "analyze",
    "methods": ["POST"],
    "response_class": Response,
    "responses": answers(REFUSED, {200: COMPLETE, 202: PENDING}),
    "openapi_extra": {"requestBody": BODY, "parameters": PARAMETERS},
}
ANALYZE_ALIAS = alias_of(ANALYZE)
ANALYSIS: RouteDocs = {
    "summary": "A batch that was accepted",
    "tags": ["analyze"],
    "operation_id": "analysis",
    "methods": ["GET"],
    "response_class": Response,
    "responses": answers(("unknown-analysis", "unavailable"), {200: COMPLETE, 202: PENDING}),
}
FEATURES: RouteDocs = {
    "summary": "What is known about an entity",
    "description": "The entity's windowed features as of now, or as of `at`.",
    "tags": ["features"],
    "operation_id": "features",
    "methods": ["GET"],
    "response_class": Response,
    "responses": answers(
        ("invalid-parameter", "unknown-pack", "unknown-entity", "unavailable"),
        {
            200: good(
                "Each feature, null where it is unknown",
                content("EntityFeatures", busy=examples.FEATURES, quiet=examples.QUIET),
            )
        },
    ),
    "openapi_extra": {
        "parameters": [
            parameter("at", "query", "RFC 3339, or `latest` for the newest event.", "latest")
        ]
    },
}
PROBLEM: RouteDocs = {
    "summary": "Why a problem happens, and what to do",
    "tags": ["problems"],
    "operation_id": "problem",
    "methods": ["GET"],
    "response_class": Response,
    "responses": answers(
        ("not-found",), {200: {"description": "In words", "content": {"text/plain": {}}}}
    ),
}
