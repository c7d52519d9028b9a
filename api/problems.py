"""Errors as Problem Details (RFC 9457): what they are called, and how they leave.

A problem never repeats what the client sent, but for the place in it (a JSON pointer, RFC 6901).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec
from starlette.responses import Response

from api.faults import Fault

MEDIA_TYPE = "application/problem+json"

KINDS: Mapping[str, str] = {
    "invalid-json": "The body is not JSON (RFC 8259), or not UTF-8. NaN and Infinity are not JSON.",
    "invalid-encoding": "The body begins with a byte-order mark; send UTF-8 without one.",
    "invalid-batch": "The body is JSON, but not a batch of events.",
    "invalid-events": "No event of the batch can be judged; `errors` says why, one by one.",
    "invalid-idempotency-key": "The header Idempotency-Key cannot be a key.",
    "idempotency-key-reused": "The key came with another request before; take a new one.",
    "idempotency-key-in-flight": "The request with this key is being taken; ask again.",
    "invalid-parameter": "A query parameter or a header cannot be used.",
    "unknown-pack": "There is no pack of this name.",
    "unknown-analysis": "There is no analysis with this id, or it is older than a day.",
    "unknown-entity": "No event of this entity has been seen within the pack's longest window.",
    "unknown-decision": "No answer other than allow is kept about an event of this id. The command "
    "`centinela explain <event id>` looks for any event in the log.",
    "unknown-list": "There are two lists: allow and deny.",
    "unknown-entry": "The list has no such entry, or it has ended.",
    "invalid-entry": "The entry cannot be put on a list; `detail` says why.",
    "invalid-policy": "With these changes the policy would break a rule; `detail` says which.",
    "not-found": "There is nothing at this address.",
    "method-not-allowed": "The address exists, the method does not; see the header `Allow`.",
    "too-large": "The body or the batch is over the limit; send it in pieces.",
    "unsupported-media-type": "Send application/json, application/x-ndjson or text/plain.",
    "unavailable": "Kafka or Redis does not answer. Nothing is known about the batch; "
    "sent again with the same event ids, it is not counted twice.",
    "internal": "A fault of ours. The log has it under the request's id.",
    "http": "Another HTTP error; see the status.",
}
"""Why a problem of a kind happens; `type` links here."""


class ProblemDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    type: str
    title: str
    status: int
    detail: str
    errors: Sequence[Fault] = ()


class Problem(Exception):
    """Raised by a route, answered as `application/problem+json`.

    Args:
        kind: One of `KINDS`.
        detail: In words, without the client's input.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = headers

    def response(self) -> Response:
        details = ProblemDetails(
            type=f"/problems/{self.kind}",
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            detail=self.detail,
            errors=self.errors,
        )
        return Response(
            msgspec.json.encode(details),
            status_code=self.status,
            media_type=MEDIA_TYPE,
            headers=dict(self.headers or {}),
        )


def of_status(status: int, headers: Mapping[str, str] | None = None) -> Problem:
    """The problem behind an error that the framework raised."""
    kinds = {404: "not-found", 405: "method-not-allowed", 413: "too-large", 500: "internal"}
    kind = kinds.get(status, "http")
    return Problem(status, kind, KINDS[kind], headers=headers)
