"""A source's rows: numbered lines, each with its event or the reason why it is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from xxhash import xxh3_128_hexdigest

from models.errors import InvalidEvent
from models.packs.access.events import AccessEvent
from producer.formats import parse_access_line

LINE_LIMIT = 128 * 1024
"""Bytes; what is longer is no line of a log. The rest of it is skipped."""


class Row(NamedTuple):
    """A line of a source, its event or, without one, the rule that the line breaks."""

    source: str
    number: int
    raw: bytes
    event: AccessEvent | None
    reason: str = ""


class Line(NamedTuple):
    """`whole` is false where the line was cut at the limit."""

    number: int
    raw: bytes
    whole: bool


def event_id_of(source: str, number: int, raw: bytes) -> str:
    """The same for the same line of the same file, whenever it is read."""
    return xxh3_128_hexdigest(b"%s\0%d\0%s" % (source.encode("utf-8", "replace"), number, raw))


def numbered_lines(file: BinaryIO) -> Iterator[Line]:
    """Lines without their ends, numbered from 1, blank ones left out, none above the limit."""
    number = 0
    while raw := file.readline(LINE_LIMIT + 1):
        number += 1
        whole = len(raw) <= LINE_LIMIT or raw.endswith(b"\n")
        rest = raw
        while not whole and rest and not rest.endswith(b"\n"):
            rest = file.readline(LINE_LIMIT)
        if number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        raw = raw.rstrip(b"\r\n")
        if raw and not raw.isspace():
            yield Line(number, raw, whole)


def log_rows(file: BinaryIO, source: str) -> Iterator[Row]:
    """Lines of an access log."""
    for number, raw, whole in numbered_lines(file):
        if not whole:
            yield too_long(source, number, raw)
            continue
        try:
            event_id = event_id_of(source, number, raw)
            yield Row(
                source, number, raw, parse_access_line(raw.decode("utf-8", "replace"), event_id)
            )
        except InvalidEvent as error:
            yield Row(source, number, raw, None, str(error))


def too_long(source: str, number: int, raw: bytes) -> Row:
    return Row(source, number, raw, None, f"line: must be <= {LINE_LIMIT} bytes")
