"""Event times as sources write them, and as the wire wants them: RFC 3339 in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from models.errors import InvalidEvent

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_LOG_TIME = re.compile(
    r"([0-9]{1,2})/([A-Za-z]{3})/([0-9]{4}):([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r" ([+-])([0-9]{2}):?([0-9]{2})"
)
_NUMBER = re.compile(r"-?[0-9]{1,19}(\.[0-9]{1,9})?")
_SECONDS = frozenset(f"{second:02}" for second in range(60))
_EPOCH_UNITS = ((1e11, 1_000_000), (1e14, 1_000), (1e17, 1))
"""Below the bound, a number counts units of so many microseconds: s, ms, us; above all, ns."""


def log_time(text: str) -> str:
    """`17/May/2015:10:05:03 +0000` as `2015-05-17T10:05:03.000Z`.

    ISO 8601 is taken too, as nginx can be told to write it.

    Raises:
        InvalidEvent: It is no time, or a time that does not exist.
    """
    if len(text) == 26 and text[17] == ":" and (second := text[18:20]) in _SECONDS:
        return f"{_minute(text[:17], text[20:])}{second}.000Z"
    return rfc3339(micros(text))


@lru_cache(maxsize=4096)
def _minute(local: str, offset: str) -> str:
    """All of an RFC 3339 time before its seconds; lines of one minute share the work."""
    return rfc3339(micros(f"{local}:00{offset}"))[:17]


@lru_cache(maxsize=4096)
def micros(text: str) -> int:
    """Microseconds since 1970 UTC of a log's time, an ISO time or an epoch in s, ms, us or ns.

    A time without an offset is UTC.
    """
    text = text.strip()
    try:
        if found := _LOG_TIME.fullmatch(text):
            return _since_epoch(_from_log(*found.groups()))
        if _NUMBER.fullmatch(text):
            return epoch_micros(int(text) if "." not in text else float(text))
        moment = datetime.fromisoformat(text.removesuffix(" UTC"))
        return _since_epoch(moment)
    except (ValueError, OverflowError, KeyError):
        raise InvalidEvent(f"occurred_at: must be a time that exists, got {text[:40]!r}") from None


def epoch_micros(number: int | float) -> int:
    """A count since 1970, in the unit that its size suggests: s, ms, us or ns."""
    for bound, unit in _EPOCH_UNITS:
        if abs(number) < bound:
            return round(number * unit)
    return int(number) // 1_000


def of_datetime(moment: datetime) -> int:
    """Microseconds since 1970; a naive datetime is UTC."""
    return _since_epoch(moment)


def rfc3339(at: int) -> str:
    """Microseconds as text, to the millisecond; to the microsecond where there are any.

    Raises:
        InvalidEvent: Before the year 1 or after 9999.
    """
    try:
        moment = _EPOCH + timedelta(microseconds=at)
    except OverflowError:
        raise InvalidEvent(f"occurred_at: must be in the years 1 to 9999, got {at} us") from None
    precision = "microseconds" if at % 1_000 else "milliseconds"
    return moment.replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def _from_log(
    day: str, month: str, year: str, hour: str, minute: str, second: str, *offset: str
) -> datetime:
    sign, hours, minutes = offset
    local = datetime(  # noqa: DTZ001  (the offset is taken off on the next line)
        int(year), _MONTHS[month.lower()], int(day), int(hour), int(minute), int(second)
    )
    ahead = timedelta(hours=int(hours), minutes=int(minutes))
    return local - ahead if sign == "+" else local + ahead


def _since_epoch(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MICROSECOND
