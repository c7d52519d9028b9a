"""Bodies that no event can be read from, and what the door says to each: a table, and no code."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.unit.api.loopback import event

JSON, NDJSON, TEXT = "application/json", "application/x-ndjson", "text/plain"
ANALYZE, DENY, POLICY = "/v1/analyze", "/v1/lists/access/deny", "/v1/policies/access"
SECRET = "do-not-repeat-me"
"""Stands in many of the bodies, and must stand in no answer."""

LOG_LINE = b'203.0.113.7 - - [21/Nov/2026:03:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "curl/8"'
BOM = b"\xef\xbb\xbf"
LARGE = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bad:
    """A bad body and its answer.

    Args:
        kind: Of the problem; empty where the batch is answered, with the bad event in its place.
        pointer: Of the first error; None where there is none to name.
    """

    id: str
    body: bytes
    content_type: str | None
    status: int
    kind: str
    pointer: str | None = None
    path: str = ANALYZE
    encoding: str | None = None


TOLD = SECRET.encode()


def said(bad: Bad) -> str:
    """The answer in few words, as the documentation tells it."""
    place = {None: "", "": "the whole body"}.get(bad.pointer, f"`{bad.pointer}`")
    if bad.status == 200:
        return f"200, its own error at {place}"
    return f"{bad.status} {bad.kind}" + (f" at {place}" if place else "")


def no_json(id: str, body: bytes, pointer: str, path: str = ANALYZE) -> Bad:
    return Bad(id, body, JSON, 400, "invalid-json", pointer, path)


def no_batch(id: str, body: bytes, pointer: str, content_type: str = JSON) -> Bad:
    return Bad(id, body, content_type, 422, "invalid-batch", pointer)


def no_event(id: str, body: bytes, pointer: str, content_type: str = JSON) -> Bad:
    return Bad(id, body, content_type, 422, "invalid-events", pointer)


def beside(id: str, body: bytes, pointer: str, content_type: str = JSON) -> Bad:
    """A bad event beside a good one."""
    return Bad(id, body, content_type, 200, "", pointer)


def no_entry(id: str, body: bytes, pointer: str) -> Bad:
    return Bad(id, body, JSON, 422, "invalid-entry", pointer, DENY)


def no_policy(id: str, body: bytes, pointer: str) -> Bad:
    return Bad(id, body, JSON, 422, "invalid-policy", pointer, POLICY)


def no_type(id: str, body: bytes, content_type: str | None, path: str = ANALYZE) -> Bad:
    return Bad(id, body, content_type, 415, "unsupported-media-type", None, path)


def one(**changes: object) -> bytes:
    """An event as JSON, with other fields."""
    return json.dumps({**event(), **changes}).encode()


def raw(field: str, value: bytes) -> bytes:
    """An event with a value that `json` would not write."""
    return one(**{field: 0}).replace(
        b'"%s": 0' % field.encode(), b'"%s": %s' % (field.encode(), value)
    )


def listed(*events: bytes) -> bytes:
    return b"[" + b", ".join(events) + b"]"


def batch(*events: bytes) -> bytes:
    return b'{"events": ' + listed(*events) + b"}"


def lines(*events: bytes) -> bytes:
    return b"\n".join(events)


GOOD = one()
SURROGATE = raw("path", b'"\\ud800%s"' % SECRET.encode())
NUL = raw("path", b'"\\u0000%s"' % SECRET.encode())
STATUS, PATH = "/events/0/status", "/events/0/path"
SECOND_STATUS, SECOND_PATH = "/events/1/status", "/events/1/path"
FIRST, WHEN, CLIENT = "/events/0", "/events/0/occurred_at", "/events/0/client_ip"

NO_JSON = [
    no_json("nothing", b"", ""),
    no_json("blanks", b" \n ", ""),
    no_json("cut off", listed(GOOD)[:-3], STATUS),
    no_json("cut off in a text", listed(GOOD)[:90], CLIENT),
    no_json("two values", listed(GOOD) + b" []", ""),
    no_json("trailing comma", b"[" + GOOD + b",]", "/events/1"),
    no_json("single quotes", b"[{'event_id': 1}]", FIRST),
    no_json("a comment", b"[/* %s */]" % TOLD, FIRST),
    no_json("leading zero", listed(raw("status", b"0200")), STATUS),
    no_json("NaN", listed(raw("status", b"NaN")), STATUS),
    no_json("NaN in a batch", batch(GOOD, raw("status", b"NaN")), SECOND_STATUS),
    no_json("Infinity", listed(raw("bytes", b"Infinity")), "/events/0/bytes"),
    no_json("-Infinity", listed(raw("bytes", b"-Infinity")), "/events/0/bytes"),
    no_json("lone surrogate", listed(SURROGATE), PATH),
    no_json("lone low surrogate", listed(GOOD, raw("path", b'"\\udc00"')), SECOND_PATH),
    no_json("NUL byte", listed(raw("path", b'"a\x00b"')), PATH),
    no_json("line break in a text", listed(raw("path", b'"a\nb"')), PATH),
    no_json("bad escape", listed(raw("path", b'"\\x41"')), PATH),
    Bad("byte-order mark", BOM + listed(GOOD), JSON, 400, "invalid-encoding", ""),
    Bad("UTF-16", listed(GOOD).decode().encode("utf-16"), JSON, 400, "invalid-encoding", ""),
    no_json("100,000 open lists", b"[" * 100_000, "/events/0/0/0/0/0/0/0"),
    no_json("50,000 open objects", b'[{"path":' * 50_000, "/events/0/path/0/path/0/path/0"),
    no_json(
        "deep in an unknown field",
        b'[{"a":' + b"[" * 5000 + b"]" * 5000 + b"}]",
        "/events/0/a/0/0/0/0/0",
    ),
]

NO_BATCH = [
    no_batch("a number", b"3", ""),
    no_batch("a text", b'"%s"' % TOLD, ""),
    no_batch("null", b"null", ""),
    no_batch("an empty list", b"[]", "/events"),
    no_batch("an empty object", b"{}", "/events"),
    no_batch("events are a number", b'{"events": 3}', "/events"),
    no_batch("no events", b'{"events": []}', "/events"),
    no_batch("a pack that is a number", b'{"pack": 3, "events": []}', "/pack"),
    no_batch("a field too many", b'{"events": [%s], "x": 1}' % GOOD, "/x"),
    Bad("an unknown pack", b'{"pack": "%s", "events": []}' % TOLD, JSON, 404, "unknown-pack"),
    Bad("1,001 events", listed(*[b"1"] * 1001), JSON, 413, "too-large", "/events"),
    Bad("10 MB", b'["' + b"a" * LARGE + b'"]', JSON, 413, "too-large"),
    Bad("10 MB of lists", b"[" * LARGE, JSON, 413, "too-large"),
    Bad("10 MB of lines", (GOOD + b"\n") * (LARGE // len(GOOD)), NDJSON, 413, "too-large"),
    Bad("10 MB of log", (LOG_LINE + b"\n") * (LARGE // len(LOG_LINE)), TEXT, 413, "too-large"),
]

BAD_EVENTS = [
    no_event("1e999", listed(raw("status", b"1e999")), STATUS),
    no_event("a fraction", listed(raw("status", b"200.5")), STATUS),
    no_event("5,000 digits", listed(raw("status", b"9" * 5000)), STATUS),
    no_event("2^70", listed(one(bytes=2**70)), "/events/0/bytes"),
    no_event("a number as text", listed(one(status="200")), STATUS),
    no_event("true as a number", listed(one(status=True)), STATUS),
    no_event("null", listed(one(path=None)), PATH),
    no_event("status 99", listed(one(status=99)), STATUS),
    no_event("no time", listed(one(occurred_at=SECRET)), WHEN),
    no_event("a time without offset", listed(one(occurred_at="2026-11-21T03:00:00")), WHEN),
    no_event("an empty client", listed(one(client_ip="")), CLIENT),
    no_event("a long id", listed(one(event_id="x" * 257)), "/events/0/event_id"),
    no_event("an unknown field", listed(one(color=SECRET)), "/events/0/color"),
    no_event("an unknown field of odd name", listed(one(**{f"<{SECRET}>": 1})), FIRST),
    no_event("an escaped NUL", listed(NUL), PATH),
    no_event("an escaped NUL in the client", listed(raw("client_ip", b'"a\\u0000"')), CLIENT),
    no_event("bad UTF-8", listed(raw("path", b'"\xff"')), PATH),
    no_event("a surrogate in UTF-8", listed(raw("path", b'"\xed\xa0\x80"')), PATH),
    no_event("an overlong slash", listed(raw("path", b'"\xc0\xaf"')), PATH),
    no_event("no object", listed(b"[[]]"), FIRST),
    no_event("a path of 20,000", listed(one(path="/" * 20_000)), PATH),
    beside("one of two bad", listed(GOOD, one(status=SECRET)), SECOND_STATUS),
    beside("one of two with NUL", listed(GOOD, NUL), SECOND_PATH),
    beside("one of two with bad UTF-8", listed(GOOD, raw("path", b'"\xff"')), SECOND_PATH),
    beside("one of two with 1e999", batch(GOOD, raw("status", b"1e999")), SECOND_STATUS),
]

BAD_LINES = [
    no_batch("nothing", b"", "/events", NDJSON),
    no_batch("blank lines", b"\n \r\n\n", "/events", NDJSON),
    no_event("a list", listed(GOOD), FIRST, NDJSON),
    no_event("one event over lines", json.dumps(event(), indent=1).encode(), FIRST, NDJSON),
    no_event("two events on a line", GOOD + b" " + GOOD, FIRST, NDJSON),
    Bad("a byte-order mark", BOM + GOOD, NDJSON, 400, "invalid-encoding", ""),
    no_event("NaN", raw("status", b"NaN"), STATUS, NDJSON),
    no_event("a lone surrogate", SURROGATE, PATH, NDJSON),
    no_event("a NUL byte", raw("path", b'"\x00"'), PATH, NDJSON),
    no_event("an escaped NUL", NUL, PATH, NDJSON),
    no_event("deep", b"[" * 100_000, FIRST, NDJSON),
    beside("one of two: NaN", lines(GOOD, raw("status", b"NaN")), SECOND_STATUS, NDJSON),
    beside("one of two: a surrogate", lines(GOOD, SURROGATE), SECOND_PATH, NDJSON),
    beside("one of two: no JSON", lines(GOOD, TOLD), "/events/1", NDJSON),
    beside("one of two: cut off", lines(GOOD, GOOD[:-2]), SECOND_STATUS, NDJSON),
    beside("one of two: bad UTF-8", lines(GOOD, raw("path", b'"\xff"')), SECOND_PATH, NDJSON),
]

BAD_LOGS = [
    no_batch("nothing", b"", "/events", TEXT),
    no_event("no log", TOLD, FIRST, TEXT),
    Bad("a byte-order mark", BOM + LOG_LINE, TEXT, 400, "invalid-encoding", ""),
    Bad("UTF-16", LOG_LINE.decode().encode("utf-16"), TEXT, 400, "invalid-encoding", ""),
    no_event("a NUL byte", LOG_LINE.replace(b"/ ", b"/\x00 "), PATH, TEXT),
    no_event("bad UTF-8", LOG_LINE.replace(b"/ ", b"/\xff "), FIRST, TEXT),
    no_event("JSON", listed(GOOD), FIRST, TEXT),
    beside("one of two", LOG_LINE + b"\n" + TOLD, "/events/1", TEXT),
]

BAD_TYPES = [
    no_type("no type", listed(GOOD), None),
    no_type("an empty type", listed(GOOD), ""),
    no_type("HTML", listed(GOOD), "text/html"),
    no_type("a form", b"events=1", "application/x-www-form-urlencoded"),
    no_type("Latin-1", listed(GOOD), "application/json; charset=latin-1"),
    Bad("gzip", b"\x1f\x8b\x08" + bytes(20), JSON, 415, "unsupported-media-type", encoding="gzip"),
]

BAD_ENTRIES = [
    no_json("nothing", b"", "", DENY),
    no_json("NaN", b'{"entry": "a", "ttl_s": NaN}', "/ttl_s", DENY),
    no_entry("1e999", b'{"entry": "a", "ttl_s": 1e999}', "/ttl_s"),
    no_json("a lone surrogate", b'{"entry": "\\ud800"}', "/entry", DENY),
    no_entry("an escaped NUL", b'{"entry": "a\\u0000"}', "/entry"),
    no_entry("a NUL in the note", b'{"entry": "a", "note": "\\u0000"}', "/note"),
    no_json("bad UTF-8", b'{"entry": "\xff"}', "/entry", DENY),
    no_entry("a list", b"[]", ""),
    no_entry("deep", b'{"entry":' + b"[" * 10_000, "/entry"),
    no_entry("no entry", b"{}", "/entry"),
    no_entry("no address", b'{"entry": "203.0.113.300"}', "/entry"),
    no_entry("a time that is past", b'{"entry": "a", "until": "2001-01-01T00:00:00Z"}', "/until"),
    no_type("a form of another page", b'{"entry": "203.0.113.7"}', TEXT, DENY),
    Bad("10 MB", b'{"entry": "' + b"a" * LARGE + b'"}', JSON, 413, "too-large", None, DENY),
    no_policy("an unknown word", b'{"holds": "%s"}' % TOLD, "/holds"),
    no_policy("an unknown key", b'{"ttl": {"%s": "1h"}}' % TOLD, "/ttl"),
    no_policy("a bad duration", b'{"ttl": {"block": "%s"}}' % TOLD, "/ttl/block"),
    no_policy("a score of 2", b'{"score": {"alert": 2}}', "/score/alert"),
    no_policy("1e999", b'{"score": {"alert": 1e999}}', "/score"),
    no_json("NaN", b'{"score": {"alert": NaN}}', "/score/alert", POLICY),
    no_type("text/plain", b"{}", TEXT, POLICY),
]

TABLE = {
    "No JSON": NO_JSON,
    "No batch": NO_BATCH,
    "Events that cannot be": BAD_EVENTS,
    "NDJSON": BAD_LINES,
    "Log lines": BAD_LOGS,
    "Media types": BAD_TYPES,
    "Lists and policy": BAD_ENTRIES,
}
