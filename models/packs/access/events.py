"""A request to a web server, as one line of an access log tells it."""

from __future__ import annotations

import msgspec


class AccessEvent(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False, omit_defaults=True
):
    """A line of `events.access`.

    Args:
        event_id: Any text, unique per request; empty where the sender has none.
        occurred_at: RFC 3339 with an offset, such as `2026-11-21T03:00:00.000Z`.
        client_ip: The client: an address, or another stable name such as a session id.
        method: As in the request line; other than HTTP's own methods is allowed (probes do it).
        path: Path and query as requested, not decoded.
        status: HTTP status code, 100 to 999.
        bytes: Size of the answer's body; 0 where the log says `-`.
        referrer: Empty where the log says `-`.
        user_agent: Empty where the log says `-`.
        label: The truth where it is known, for evaluation only: 1 is an attack. Never a feature.
    """

    occurred_at: str
    client_ip: str
    method: str
    path: str
    status: int
    event_id: str = ""
    bytes: int = 0
    referrer: str = ""
    user_agent: str = ""
    label: int | None = None
