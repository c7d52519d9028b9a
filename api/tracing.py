"""Around every request: its id, one log line, its metrics, and an answer even to our own faults.

Plain ASGI: Starlette's `BaseHTTPMiddleware` costs more than the whole decoding of a batch.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from time import perf_counter
from typing import Any

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from api.metrics import ApiMetrics
from api.problems import of_status

REQUEST_ID = re.compile(rb"[!-~](?:[ -~]{0,126}[!-~])?")
"""1 to 128 printable ASCII characters, no blank at either end."""

GONE = 499
"""The client went away before it was answered; nginx's number, in logs and metrics alone."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NOISE = frozenset({"/livez", "/readyz", "/health", "/ready", "/metrics"})

log = structlog.get_logger("api")


def new_id() -> str:
    """UUIDv7: unique, and sorted by time."""
    return str(uuid7())


class Traced:
    """Wraps the application.

    A route finds the request's id in `request.state.trace`, and puts what its log line should
    tell into `request.state.told`.
    """

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        trace = request_id(scope) or new_id()
        told: dict[str, Any] = {}
        scope["state"] = {**scope.get("state", {}), "trace": trace, "told": told}
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                spent_ms = (perf_counter() - started) * 1000
                ours = [
                    (b"x-request-id", trace.encode()),
                    (b"server-timing", b"total;dur=%.1f" % spent_ms),
                ]
                message["headers"] = [*message["headers"], *ours]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            status = status or GONE
        except Exception:
            log.exception("fault", trace=trace, route=route_of(scope))
            if status:
                raise
            await of_status(500).response()(scope, receive, send_with_id)
        finally:
            self._tell(scope, status or GONE, perf_counter() - started, trace, told)

    def _tell(
        self, scope: Scope, status: int, seconds: float, trace: str, told: MutableMapping[str, Any]
    ) -> None:
        route = route_of(scope)
        self._metrics.answered(route, method_of(scope), status, seconds)
        if route not in NOISE:
            latency_ms = round(seconds * 1000, 2)
            log.info(
                "request", route=route, status=status, latency_ms=latency_ms, trace=trace, **told
            )


def request_id(scope: Scope) -> str | None:
    """The client's id for the request, if it can stand in a header and in a log."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return value.decode() if REQUEST_ID.fullmatch(value) else None
    return None


def route_of(scope: Scope) -> str:
    """The route's pattern; never the path, which clients choose."""
    route = scope.get("route")
    return getattr(route, "path", "unmatched")


def method_of(scope: Scope) -> str:
    method: str = scope["method"]
    return (
        method
        if method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
        else "other"
    )
