"""What is wrong with one event, told without repeating it."""

from __future__ import annotations

import re
from collections.abc import Collection

import msgspec

DETAIL_CHARS = 200
FIELD = re.compile(r"[A-Za-z0-9_-]{1,64}")
# A client may name a field like the end of such a message, so a place is spelled out.
PLACE = re.compile(r" - at (?:`key` in )?`\$([A-Za-z0-9_.\[\]-]{0,200})`$")
UNKNOWN = re.compile(r"^Object contains unknown field `(.*)`$", re.DOTALL)
SEEN = re.compile(r", got .*", re.DOTALL)
MISSING = re.compile(r"^Object missing required field `(\w+)`")
NO_CHOICE = re.compile(r"^Invalid enum value ", re.DOTALL)
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is wrong with one event.

    Args:
        detail: The rule that was broken.
        pointer: Where, as a JSON pointer (RFC 6901) such as `/events/3/status`; events are
            numbered from 0, whatever the content type.
    """

    detail: str
    pointer: str | None = None


def fault_of(message: str, index: int | None = None) -> Fault:
    """msgspec's message as a fault, without the client's words in it."""
    pointer = "" if index is None else f"/events/{index}"
    if place := PLACE.search(message):
        message = message[: place.start()]
        pointer += "".join(f"/{step}" for step in re.findall(r"[\w-]+", place[1]))
    if missing := MISSING.match(message):
        return Fault("required, but missing", f"{pointer}/{missing[1]}")
    if unknown := UNKNOWN.match(message):
        known = FIELD.fullmatch(unknown[1])
        return Fault("unknown field", f"{pointer}/{unknown[1]}" if known else pointer)
    if NO_CHOICE.match(message):
        return Fault("none of the words that can stand here", pointer)
    return Fault(clipped(message), pointer)


def fault_of_rule(rule: str, index: int, fields: Collection[str]) -> Fault:
    """A pack's complaint, such as `access: status must be 100 to 999, got 7`, without the value."""
    words = SEEN.sub("", rule)
    pack, colon, claim = words.partition(": ")
    detail = claim if colon and pack not in fields else words
    field = detail.partition(" ")[0].rstrip(":")
    pointer = f"/events/{index}/{field}" if field in fields else f"/events/{index}"
    return Fault(clipped(detail), pointer)


def clipped(text: str) -> str:
    return text if len(text) <= DETAIL_CHARS else text[:DETAIL_CHARS] + "..."
