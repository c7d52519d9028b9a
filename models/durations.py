"""Durations as people write them: `90s`, `10m`, `2h`, `7d`, `1d12h`."""

from __future__ import annotations

import re
from datetime import timedelta

UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
WRITTEN = re.compile(
    "".join(rf"(?:(?P<{name}>[0-9]{{1,9}}){unit})?" for unit, name in UNITS.items())
)


def duration(text: str) -> timedelta:
    """The duration behind a text such as `1h30m`, the larger units first.

    Raises:
        ValueError: It is none, or nothing at all.
    """
    found = WRITTEN.fullmatch(text.strip())
    parts = {name: int(count) for name, count in found.groupdict("0").items()} if found else {}
    if not any(parts.values()):
        raise ValueError(f"must be a duration such as 90s, 10m, 2h, 7d or 1d12h, got {text!r}")
    try:
        return timedelta(**parts)
    except OverflowError:
        raise ValueError(f"must be a duration of at most 999999999 days, got {text!r}") from None


def written(length: timedelta) -> str:
    """A duration as `duration` reads it, to the second."""
    left = int(length.total_seconds())
    said = ""
    for unit, seconds in zip(UNITS, (86_400, 3_600, 60, 1), strict=True):
        count, left = divmod(left, seconds)
        said += f"{count}{unit}" if count else ""
    return said or "0s"
