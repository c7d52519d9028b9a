"""How commands speak: data on standard output, talk on standard error, and safe on a terminal."""

from __future__ import annotations

import json
import re
import sys
from enum import StrEnum

import msgspec


class Output(StrEnum):
    """How data is printed: for people, or for programs."""

    TEXT = "text"
    JSON = "json"


def say(line: str, quiet: bool = False) -> None:
    """Talk, which is not data."""
    if not quiet:
        sys.stderr.write(plain(line) + "\n")


def tell(line: str) -> None:
    """Data."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def tell_json(value: object) -> None:
    """One line of JSON in ASCII: what a client has sent cannot steer a terminal."""
    text = msgspec.json.encode(value).decode()
    tell(re.sub(r"[^ -~]", lambda found: json.dumps(found[0])[1:-1], text))


def plain(text: str) -> str:
    """Text that a client has sent, safe to print: what would steer a terminal is spelled out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
