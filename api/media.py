"""What a body says that it is: its media type, its character set, its coding."""

from __future__ import annotations

import re
from collections.abc import Sequence

from starlette.datastructures import Headers

from api.faults import Fault
from api.problems import Problem

JSON, NDJSON, TEXT = "application/json", "application/x-ndjson", "text/plain"

CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)
UTF_8 = frozenset({"utf-8", "utf8", "us-ascii"})
MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
"""Byte-order marks of UTF-8, and of UTF-16 and UTF-32."""


def type_of(content_type: str, accepted: Sequence[str]) -> str:
    """The media type of a body, one of those accepted.

    Raises:
        Problem: It is another one, or another character set than UTF-8.
    """
    given = content_type.partition(";")[0].strip().lower()
    if given not in accepted:
        raise unsupported(accepted)
    charset = CHARSET.search(content_type)
    if charset and charset[1].lower() not in UTF_8:
        raise unsupported(accepted, "in UTF-8")
    return given


def refuse_coding(headers: Headers) -> None:
    """Raises a Problem for a body that is compressed."""
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise Problem(
            415,
            "unsupported-media-type",
            "the body must not be compressed",
            headers={"Accept-Encoding": "identity"},
        )


def refuse_marks(body: bytes) -> None:
    """Raises a Problem for a body that begins with a byte-order mark.

    JSON must not have one (RFC 8259), and of a log it would become part of the first client.
    """
    if body.startswith(MARKS):
        rule = "the body must be UTF-8 without a byte-order mark"
        raise Problem(400, "invalid-encoding", rule, errors=[Fault(rule, "")])


def unsupported(accepted: Sequence[str], also: str = "") -> Problem:
    types = ", ".join(accepted)
    detail = f"the body must be {types}" + (f"; {also}" if also else "")
    return Problem(415, "unsupported-media-type", detail, headers={"Accept-Post": types})
