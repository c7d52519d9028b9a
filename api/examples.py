"""Requests and answers as the API's description shows them; a test sends and decodes them all."""

from __future__ import annotations

from typing import Any

EVENT: dict[str, Any] = {
    "event_id": "web-1-000042",
    "occurred_at": "2026-11-21T03:00:00.000Z",
    "client_ip": "203.0.113.7",
    "method": "GET",
    "path": "/item.php?id=1%27%20UNION%20SELECT%20password%20FROM%20users--",
    "status": 200,
    "bytes": 5120,
    "user_agent": "Mozilla/5.0",
}
BATCH: dict[str, Any] = {"pack": "access", "events": [EVENT]}
REHEARSAL: dict[str, Any] = {
    "events": [
        {**EVENT, "event_id": "try-1", "client_ip": "203.0.113.250"},
        {**EVENT, "event_id": "try-2", "client_ip": "203.0.113.251"},
    ]
}
LATE: dict[str, Any] = {
    "events": [{**EVENT, "event_id": "try-3", "client_ip": "203.0.113.252"}],
}
NDJSON = (
    '{"occurred_at":"2026-11-21T03:00:00Z","client_ip":"203.0.113.7",'
    '"method":"GET","path":"/","status":200}\n'
    '{"occurred_at":"2026-11-21T03:00:01Z","client_ip":"198.51.100.4",'
    '"method":"GET","path":"/.env","status":404}\n'
)
LOG = (
    '203.0.113.7 - - [21/Nov/2026:03:00:00 +0000] "GET / HTTP/1.1" 200 5120 "-" "Mozilla/5.0"\n'
    '198.51.100.4 - - [21/Nov/2026:03:00:01 +0000] "GET /.env HTTP/1.1" 404 153 "-" "curl/8.5"\n'
)
COMMON = '203.0.113.7 - - [21/Nov/2026:03:00:00 +0000] "GET / HTTP/1.1" 200 5120\n'

BATCH_ID = "019aa3f0-6c00-7d2a-9c41-5f1f3d0e8a77"
RESULT: dict[str, Any] = {
    "event_id": "web-1-000042",
    "outcome": "decided",
    "threat": True,
    "action": "block",
    "score": 0.9991,
    "ttl_s": 14400,
    "rules": ["sql_injection"],
    "reasons": [{"code": "sql_injection", "text": "SQL in the request"}],
    "model": "access-1",
    "policy": "access-1",
    "entity": "203.0.113.7",
    "occurred_at": "2026-11-21T03:00:00.000Z",
    "features": {"client_requests_count_1m": 1.0},
}
SUMMARY: dict[str, int] = {
    "events": 1,
    "decided": 1,
    "duplicate": 0,
    "late": 0,
    "dead": 0,
    "invalid": 0,
    "allow": 0,
    "alert": 0,
    "challenge": 0,
    "block": 1,
}
ANALYSIS: dict[str, Any] = {
    "batch_id": BATCH_ID,
    "pack": "access",
    "summary": SUMMARY,
    "results": [RESULT],
    "status": "complete",
}
PARTLY: dict[str, Any] = {
    **ANALYSIS,
    "summary": {**SUMMARY, "events": 2, "invalid": 1},
    "results": [
        RESULT,
        {
            **dict.fromkeys(("event_id", "action", "score", "ttl_s", "model", "policy")),
            "outcome": "invalid",
            "threat": False,
            "rules": [],
            "reasons": [],
            "error": {"detail": "required, but missing", "pointer": "/events/1/occurred_at"},
        },
    ],
}
NONE_YET: dict[str, Any] = {
    "batch_id": BATCH_ID,
    "pack": "access",
    "events": 100,
    "answered": 0,
    "status": "pending",
}
PENDING: dict[str, Any] = {
    "batch_id": BATCH_ID,
    "pack": "access",
    "events": 100,
    "answered": 25,
    "status": "pending",
}
FEATURES: dict[str, Any] = {
    "pack": "access",
    "entity": "203.0.113.7",
    "at": "2026-11-21T03:00:00.000Z",
    "features": {"client_requests_count_1m": 3.0, "client_errors_share_10m": None},
}
QUIET: dict[str, Any] = {
    **FEATURES,
    "features": {"client_requests_count_1m": 0.0, "client_errors_share_10m": None},
}
NEW_ADDRESS: dict[str, Any] = {"entry": "203.0.113.7", "author": "ana"}
NEW_ENTRY: dict[str, Any] = {"entry": "203.0.113.0/24", "ttl_s": 7200, "note": "abuse report 7"}
ENTRY: dict[str, Any] = {
    "entry": "203.0.113.0/24",
    "until": "2026-11-21T05:00:00.000Z",
    "note": "abuse report 7",
    "author": "",
    "added_at": "2026-11-21T03:00:00.000Z",
}
ADDRESS: dict[str, Any] = {**ENTRY, "entry": "203.0.113.7", "until": None, "note": ""}
CHANGED: dict[str, Any] = {"pack": "access", "list": "deny", "revision": 12, "entry": ENTRY}
CHANGED_ADDRESS: dict[str, Any] = {**CHANGED, "revision": 13, "entry": ADDRESS}
EMPTY_LIST: dict[str, Any] = {"pack": "access", "list": "allow", "revision": 13, "entries": []}
LIST: dict[str, Any] = {"pack": "access", "list": "deny", "revision": 12, "entries": [ENTRY]}
CHANGES: dict[str, Any] = {"score": {"alert": 0.95, "challenge": 0.99}}
POLICY: dict[str, Any] = {
    "pack": "access",
    "version": "access-1+policy.2",
    "revision": 2,
    "policy": {
        **CHANGES,
        "severity": {"low": "alert", "medium": "challenge", "high": "block"},
        "ttl": {"alert": "10m", "challenge": "1h", "block": "4h"},
        "holds": "block",
        "fail_mode": "alert",
        "escalation": {"factor": 2, "longest": "7d", "forgotten_after": "7d"},
    },
    "changes": CHANGES,
}
OWN_POLICY: dict[str, Any] = {
    **POLICY,
    "version": "access-1",
    "revision": 3,
    "changes": None,
}
CHANGED_TIMES: dict[str, Any] = {
    "ttl": {"alert": "10m", "challenge": "1h", "block": "2h"},
    "escalation": {"factor": 3, "longest": "3d"},
}
