"""Errors as Problem Details (RFC 9457): what they are called, and how they leave.

A problem never repeats what the client sent, but for the place in it (a JSON pointer, RFC 6901).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec
from starlette.responses import Response

from api.faults import Fault
from api.problem_kinds import KINDS

MEDIA_TYPE = "application/problem+json"


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


def told(kind: str, headers: Mapping[str, str] | None = None) -> Problem:
    """A problem of which there is no more to say than why its kind happens."""
    return Problem(KINDS[kind].status, kind, KINDS[kind].cause, headers=headers)


def of_status(status: int, headers: Mapping[str, str] | None = None) -> Problem:
    """The problem behind an error that the framework raised."""
    kinds = {404: "not-found", 405: "method-not-allowed", 413: "too-large", 500: "internal"}
    kind = kinds.get(status, "http")
    return Problem(status, kind, KINDS[kind].cause, headers=headers)
