"""Access events as columns, and the rules that an event must keep to be one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter

import numpy as np

from feature_store.columns import Columns, Ints, Mask, TextColumn
from feature_store.shape import shapes
from feature_store.text import INVALID_TIME, marks, parse_times
from models.packs.access.events import AccessEvent
from models.packs.access.patterns import AGENTS, PATHS

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
"""A method's code is its place here, from 1; 0 is any other."""
POST = METHODS.index("POST") + 1
_CODES = {method: code for code, method in enumerate(METHODS, start=1)}

TRAITS = (
    *("path_bytes", "path_depth", "query_bytes", "path_encoded", "path_odd", "path_entropy"),
    "payload_score",
)
"""Of a request's path and query; see `feature_store.shape.Shapes` for their units."""

LARGEST_BODY = 2**40
LONGEST = {
    "event_id": 256,
    "client_ip": 256,
    "method": 64,
    "path": 16_384,
    "referrer": 16_384,
    "user_agent": 8_192,
}
"""Characters that a text may have."""


def columns(events: Sequence[AccessEvent]) -> Columns:
    """The events' fields, and what their texts hold, each `(n_events,)`."""
    texts = {field: list(map(attrgetter(field), events)) for field in LONGEST}
    path, agent = TextColumn.of(texts["path"]), TextColumn.of(texts["user_agent"])
    shape = shapes(path)
    return Columns(
        {
            "event_id": TextColumn.of(texts["event_id"]),
            "client_ip": TextColumn.of(texts["client_ip"]),
            "at": parse_times(TextColumn.of([event.occurred_at for event in events])),
            "method": np.array([_CODES.get(method, 0) for method in texts["method"]], np.int64),
            "path": path,
            "path_bytes": np.diff(path.offsets),
            "path_depth": shape.depth,
            "query_bytes": shape.query_bytes,
            "path_encoded": shape.encoded,
            "path_odd": shape.odd,
            "path_entropy": shape.entropy,
            "path_marks": marks(path, PATHS),
            "status": integers([event.status for event in events]),
            "bytes": integers([event.bytes for event in events]),
            "referrer_length": np.array(list(map(len, texts["referrer"])), np.int64),
            "user_agent": agent,
            "agent_marks": marks(agent, AGENTS),
            "fits": _fits(texts),
        },
        len(events),
    )


def integers(numbers: Sequence[int]) -> Ints:
    """Numbers as a column; what 64 bits cannot hold becomes the nearest that they can."""
    try:
        return np.array(numbers, np.int64)
    except OverflowError:
        edge = np.iinfo(np.int64)
        return np.array([min(max(number, edge.min), edge.max) for number in numbers], np.int64)


def has(event: Columns, group: str) -> Mask:
    """Requests whose path or query holds a pattern of the group."""
    return event.derived("path_marks", lambda: PATHS.held(event.path_marks))[group]


def agent_has(event: Columns, group: str) -> Mask:
    """Requests whose user agent holds a pattern of the group."""
    return event.derived("agent_marks", lambda: AGENTS.held(event.agent_marks))[group]


def valid(event: Columns) -> Mask:
    """Events that keep every rule of `check`, `(n_events,)`."""
    keeps: Mask = (
        (event.at != INVALID_TIME)
        & (event.status >= 100)
        & (event.status <= 999)
        & (event.bytes >= 0)
        & (event.bytes <= LARGEST_BODY)
        & event.fits
    )
    return keeps


def check(event: AccessEvent) -> str | None:
    """The first rule that an event breaks, or None."""
    for rule, keeps, seen in CHECKS:
        if not keeps(event):
            return f"access: {rule}, got {seen(event)}"
    return None


def _fits(texts: Mapping[str, Sequence[str]]) -> Mask:
    """Whose texts have a length that is allowed."""
    fits = np.ones(len(texts["client_ip"]), np.bool_)
    if "" in texts["client_ip"]:
        fits &= [client != "" for client in texts["client_ip"]]
    for field, longest in LONGEST.items():
        if max(map(len, texts[field]), default=0) > longest:
            fits &= [len(text) <= longest for text in texts[field]]
    return fits


def _is_readable(time: str) -> bool:
    return bool(parse_times(TextColumn.of([time]))[0] != INVALID_TIME)


Check = tuple[str, Callable[[AccessEvent], bool], Callable[[AccessEvent], object]]


def _length_check(field: str, longest: int) -> Check:
    def length(event: AccessEvent) -> int:
        return len(getattr(event, field))

    return (
        f"{field} must have at most {longest} characters",
        lambda event: length(event) <= longest,
        length,
    )


CHECKS: tuple[Check, ...] = (
    (
        "occurred_at must be an RFC 3339 time with an offset",
        lambda event: _is_readable(event.occurred_at),
        lambda event: repr(event.occurred_at[:64]),
    ),
    (
        "client_ip must not be empty",
        lambda event: event.client_ip != "",
        lambda event: repr(event.client_ip),
    ),
    (
        "status must be 100 to 999",
        lambda event: 100 <= event.status <= 999,
        lambda event: event.status,
    ),
    (
        f"bytes must be 0 to {LARGEST_BODY}",
        lambda event: 0 <= event.bytes <= LARGEST_BODY,
        lambda event: event.bytes,
    ),
    *(_length_check(field, longest) for field, longest in LONGEST.items()),
)
