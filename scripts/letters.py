"""Dead letters: which of them a retry takes, and how one is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from models.errors import InvalidSource
from producer.dead_letters import Letter

MOST_FAILURES = 3
"""A line that has failed so often is left out by `retry --all`; by its id it is still retried."""


def open_letters(letters: Iterable[Letter]) -> tuple[list[Letter], Counter[str]]:
    """Those that may be put back without a look at each, and why how many others may not."""
    left = Counter[str]()
    chosen = []
    for letter in letters:
        if letter.retried_as is not None:
            continue
        if not letter.is_of_topic:
            left["lines of files; mend the file and replay it"] += 1
        elif letter.failures >= MOST_FAILURES:
            left[f"failed {MOST_FAILURES} times or more; name one by its id to try again"] += 1
        else:
            chosen.append(letter)
    return chosen, left


def require_of_topic(letter: Letter) -> Letter:
    if not letter.is_of_topic:
        raise InvalidSource(
            f"{letter.id}: is a line of a file ({letter.source}); mend the file and replay it"
        )
    return letter


def told(letter: Letter) -> dict[str, Any]:
    """A letter for programs: its bytes as text where they are UTF-8, and as base64."""
    try:
        text: str | None = letter.raw.decode()
    except UnicodeDecodeError:
        text = None
    return {
        "id": letter.id,
        "at": when(letter),
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "line": letter.line,
        "error": letter.error,
        "reason": letter.reason,
        "failures": letter.failures,
        "retried_as": letter.retried_as,
        "text": text,
        "base64": letter.raw,
    }


def row(letter: Letter) -> tuple[str, ...]:
    failed = f"{letter.failures}, retried" if letter.retried_as else str(letter.failures)
    return (letter.id, when(letter), letter.source, failed, letter.error, letter.reason)


def facts(letter: Letter) -> dict[str, str]:
    told = {
        "set aside": when(letter),
        "stood on": letter.source,
        "error": letter.error,
        "reason": letter.reason,
        "failed": "once" if letter.failures == 1 else f"{letter.failures} times",
        "put back": letter.retried_as or "not yet",
        "bytes": f"{len(letter.raw):,}",
    }
    return {name: value for name, value in told.items() if value}


def when(letter: Letter) -> str:
    return datetime.fromtimestamp(letter.at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
