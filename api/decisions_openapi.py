"""How the API describes its routes to decisions, with an example of what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from api.examples import EVENT
from api.openapi import Described, RouteDocs, answers, content, good, parameter

EXPLANATION: dict[str, Any] = {
    "event_id": "web-1-000042",
    "pack": "access",
    "entity": "203.0.113.7",
    "occurred_at": "2026-11-21T03:00:00.000Z",
    "answer": {
        "origin": "kept",
        "outcome": "decided",
        "action": "block",
        "ttl_s": 14400,
        "model": "access-e1ba59d36513",
        "policy": "access-1",
        "duplicate_of": None,
        "error": None,
        "degraded": None,
    },
    "event": {
        "place": "2-1207-0",
        "fields": EVENT,
        "missing": None,
        "traits": {"path_bytes": 31.0, "path_depth": 1.0, "payload_score": 0.99956},
    },
    "score": {
        "value": 0.778241,
        "thresholds": {"alert": 0.97, "challenge": 0.99},
        "earns": "allow",
        "contributions": [
            {
                "feature": "path_bytes",
                "value": 64.0,
                "usual": 15.0,
                "score": 0.098105,
                "raw": 0.025133,
            }
        ],
    },
    "rules": [
        {
            "name": "sql_injection",
            "text": "the request carries a piece of SQL",
            "severity": "high",
            "reference": "CWE-89, CAPEC-66",
        }
    ],
    "rules_earn": "block",
    "lists": [],
    "reasons": [],
    "features": [
        {
            "name": "client_requests_count_1m",
            "text": "requests in 1 min",
            "value": 1.0,
            "median": 9.0,
            "p99": 200.0,
            "after": "2026-11-21T02:59:00.000Z",
            "until": "2026-11-21T03:00:00.000Z",
        }
    ],
    "derived_from": None,
    "notes": [],
}

EXPLANATION_IN_FORCE: dict[str, Any] = {
    **EXPLANATION,
    "event_id": "web-1-000043",
    "answer": {**EXPLANATION["answer"], "ttl_s": 14392},
    "event": {"place": "2-1210-0", "fields": None, "missing": "events.access does not answer"},
    "rules": [],
    "rules_earn": None,
    "lists": [
        {
            "code": "block_in_force",
            "text": "block in force until 2026-11-21T07:00:00.000Z, for sql_injection",
        }
    ],
}
DECISIONS_PAGE: dict[str, Any] = {
    "pack": "access",
    "decisions": [
        {
            "event_id": "web-1-000042",
            "outcome": "decided",
            "entity": "203.0.113.7",
            "occurred_at": "2026-11-21T03:00:00.000Z",
            "decided_at": "2026-11-21T03:00:00.012Z",
            "action": "block",
            "score": 0.778241,
            "ttl_s": 14400,
            "rules": ["sql_injection"],
            "reasons": [{"code": "sql_injection", "text": "the request carries a piece of SQL"}],
            "model": "access-e1ba59d36513",
            "policy": "access-2",
        }
    ],
    "next": "MTc5NTIzMDAwMDAxMi0w",
}
NO_DECISIONS: dict[str, Any] = {"pack": "access", "decisions": [], "next": None}

ALL_OR_ONE = {"type": "string", "enum": ["access"]}
NOT_EMPTY = {"type": "string", "minLength": 1, "maxLength": 256}

DECISIONS: RouteDocs = {
    "summary": "What was answered lately",
    "description": "The newest answers other than allow, newest first. The time is that of the "
    "answer, not of the event. Go on with `next` as `cursor` until it is null: a page may hold "
    "fewer than `limit`, even none.",
    "tags": ["decisions"],
    "operation_id": "decisions",
    "methods": ["GET"],
    "response_class": Response,
    "responses": answers(
        ("invalid-parameter", "unknown-pack", "unavailable"),
        {
            200: good(
                "A page of answers",
                content("Decisions", blocked=DECISIONS_PAGE, nothing_left=NO_DECISIONS),
            )
        },
    ),
}
LISTED: tuple[Described, ...] = (
    parameter("pack", "query", "The pack; `access` unless given.", "access", ALL_OR_ONE),
    parameter("entity", "query", "Exactly this entity's.", "203.0.113.7", NOT_EMPTY),
    parameter("since", "query", "RFC 3339, or how long ago: `2h`.", "2h"),
    parameter(
        "limit",
        "query",
        "Of one page.",
        50,
        {"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
    ),
    parameter("cursor", "query", "The `next` of the page before.", "MTc5NTIzMDAwMDAxMi0w"),
)


def decisions(actions: Sequence[str], outcomes: Sequence[str]) -> RouteDocs:
    """Of the route to the list, where these actions and outcomes can be asked for."""
    asked = [parameter("action", "query", "What was done.", "block", one_of(actions))]
    if outcomes:
        text = (
            "How the events ended; what was allowed is told only if this or `action` asks for it."
        )
        asked.append(parameter("outcome", "query", text, "decided", one_of(outcomes)))
    return {**DECISIONS, "openapi_extra": {"parameters": [*LISTED, *asked]}}


def one_of(choices: Sequence[str]) -> Described:
    return {"type": "string", "enum": list(choices)}


DECISION: RouteDocs = {
    "summary": "Why an event was answered as it was",
    "description": "The newest answers other than allow are kept to be explained: the event, every "
    "feature with its usual and its window, the rules, the lists, and what the score is made of.",
    "tags": ["decisions"],
    "operation_id": "decision",
    "methods": ["GET"],
    "response_class": Response,
    "responses": answers(
        ("unknown-decision", "unknown-pack", "unavailable"),
        {
            200: good(
                "All that is known about the decision",
                content("Explanation", blocked=EXPLANATION, in_force=EXPLANATION_IN_FORCE),
            )
        },
    ),
    "openapi_extra": {
        "parameters": [
            parameter(
                "pack",
                "query",
                "The pack; all are looked in unless given.",
                "access",
                ALL_OR_ONE,
            )
        ]
    },
}
