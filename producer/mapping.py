"""Rows of tables as events: which column is which field, and values to the field's type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache

from models.errors import InvalidEvent, InvalidSource
from models.packs.access.events import AccessEvent
from producer.formats import split_request
from producer.instants import epoch_micros, micros, of_datetime, rfc3339

REQUEST = "request"
"""A column that holds a whole request line; read where `method` or `path` has none of its own."""

_ALIASES: Mapping[str, tuple[str, ...]] = {
    "occurred_at": ("time", "timestamp", "@timestamp", "datetime", "date", "ts", "event_time"),
    "client_ip": ("ip", "client", "clientip", "remote_addr", "remote_host", "source_ip", "src_ip"),
    "method": ("verb", "http_method", "request_method"),
    "path": ("url", "uri", "request_uri", "uri_path"),
    "status": ("status_code", "response", "response_code", "code"),
    "event_id": ("id",),
    "bytes": ("size", "body_bytes_sent", "bytes_sent", "response_size"),
    "referrer": ("referer", "http_referer"),
    "user_agent": ("agent", "useragent", "http_user_agent"),
    "label": (),
    REQUEST: ("request_line",),
}
_FIELD_OF = {name: field for field, names in _ALIASES.items() for name in (field, *names)}
_REQUIRED = ("occurred_at", "client_ip", "method", "path", "status")
_TRUTH = {"true": 1, "false": 0}


def parse_map(text: str) -> dict[str, str]:
    """`ip=src,time=when` as field to column: `{"client_ip": "src", "occurred_at": "when"}`.

    Raises:
        InvalidSource: A pair without `=`, or a name on its left that is no field or alias.
    """
    mapping = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        ours, equals, theirs = (part.strip() for part in pair.partition("="))
        if not equals or not theirs:
            raise InvalidSource(f"--map: must be FIELD=COLUMN,..., got {pair!r}")
        if ours not in _FIELD_OF:
            raise InvalidSource(f"--map: {ours!r} is no field; the fields are {_known()}")
        mapping[_FIELD_OF[ours]] = theirs
    return mapping


def columns_of(header: Iterable[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """Which column holds which field: as mapped, else by a field's name or alias, in any case."""
    return dict(_columns_of(tuple(header), tuple(mapping.items())))


def check_columns(source: str, header: Iterable[str], mapping: Mapping[str, str]) -> None:
    """Refuse a table that cannot give an event.

    Raises:
        InvalidSource: A mapped column is not there, or a required field has no column.
    """
    header = tuple(header)
    there = f"the columns are {', '.join(header)}"
    for field, column in mapping.items():
        if column not in header:
            raise InvalidSource(f"{source}: no column {column!r} for {field}; {there}")
    if missing := _missing(columns_of(header, mapping)):
        field = missing[0]
        raise InvalidSource(f"{source}: no column for {field}, try --map {field}=COLUMN; {there}")


def event_of_row(row: Mapping[str, object], mapping: Mapping[str, str]) -> AccessEvent:
    """Read one row of a table, its values as text or as what JSON and Parquet know.

    Raises:
        InvalidEvent: A required field is absent or a value is not of its field's type.
    """
    columns = columns_of(row, mapping)
    if missing := _missing(columns):
        raise InvalidEvent(f"{missing[0]}: must be given")
    values = {field: row.get(column) for field, column in columns.items()}
    if REQUEST in values:
        method, path = split_request(_text(values[REQUEST]))
        values = {"method": method, "path": path, **values}
    return AccessEvent(
        _time(values["occurred_at"]),
        _needed("client_ip", values),
        _needed("method", values),
        _text(values["path"]),
        _integer("status", values["status"], 100, 999),
        _text(values.get("event_id")),
        _optional_integer("bytes", values, 10**15) or 0,
        _optional_text(values.get("referrer")),
        _optional_text(values.get("user_agent")),
        _optional_integer("label", values, 1),
    )


@lru_cache(maxsize=256)
def _columns_of(
    header: tuple[str, ...], mapping: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    found = {field: column for field, column in mapping if column in header}
    mapped = {column for _, column in mapping}
    named = {column.strip().lower(): column for column in reversed(header) if column not in mapped}
    for field, aliases in _ALIASES.items():
        for name in (field, *aliases):
            if name in named and field not in dict(mapping):
                found.setdefault(field, named[name])
    return tuple(found.items())


def _missing(columns: Mapping[str, str]) -> list[str]:
    given = {*columns, *(("method", "path") if REQUEST in columns else ())}
    return [field for field in _REQUIRED if field not in given]


def _known() -> str:
    return ", ".join(
        f"{field} ({', '.join(aliases)})" if aliases else field
        for field, aliases in _ALIASES.items()
    )


def _time(value: object) -> str:
    if isinstance(value, datetime):
        return rfc3339(of_datetime(value))
    if isinstance(value, int | float) and not isinstance(value, bool) and value == value:
        if abs(value) > 1e19:
            raise InvalidEvent(f"occurred_at: must be a time that exists, got {value!r}")
        return rfc3339(epoch_micros(value))
    return rfc3339(micros(_text(value)))


def _text(value: object) -> str:
    """Text as it is; a number in digits; what is missing is empty."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if value is None or value != value:
        return ""
    return str(value)


def _optional_text(value: object) -> str:
    text = _text(value)
    return "" if text == "-" else text


def _needed(field: str, values: Mapping[str, object]) -> str:
    if (text := _text(values.get(field))) in ("", "-") and field == "client_ip":
        raise InvalidEvent(f"{field}: must not be empty")
    return text or "-"


def _optional_integer(field: str, values: Mapping[str, object], largest: int) -> int | None:
    text = _text(values.get(field)).strip()
    if text in ("", "-"):
        return None
    return _integer(field, _TRUTH.get(text.lower(), text), 0, largest)


def _integer(field: str, value: object, smallest: int, largest: int) -> int:
    text = _text(value).strip()
    try:
        number = int(text.removesuffix(".0")) if len(text) < 20 and text.isascii() else -1
    except ValueError:
        number = -1
    if not smallest <= number <= largest:
        raise InvalidEvent(
            f"{field}: must be an integer of {smallest} to {largest}, got {text[:40]!r}"
        )
    return number
