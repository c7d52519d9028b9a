"""Is the process alive, can it do its work, and what has it done."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec
import structlog
from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from api import health_openapi as openapi
from api.metrics import ApiMetrics
from api.schemas import Health, Version
from models.errors import DetectionError
from models.pack import DomainPack
from stream_agents.metrics import VERSION

ALIVE = msgspec.json.encode(Health("ok", {}))

Check = Callable[[], Coroutine[Any, Any, None]]
"""Raises a `DetectionError` if the part is not ready."""

CHECK_WITHIN_S = 2.0

API = "v1"

log = structlog.get_logger("api")


class Parts:
    """What the process needs; a part that is still being asked is not asked again."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._asked: dict[str, asyncio.Task[None]] = {}

    async def states(self) -> dict[str, str]:
        """`ok` or `unavailable`, by part."""
        states = await asyncio.gather(*map(self._state, self._checks))
        return dict(zip(self._checks, states, strict=True))

    async def _state(self, part: str) -> str:
        if part not in self._asked or self._asked[part].done():
            self._asked[part] = asyncio.create_task(self._checks[part]())
        try:
            async with asyncio.timeout(CHECK_WITHIN_S):
                await asyncio.shield(self._asked[part])
        except (DetectionError, TimeoutError) as error:
            # Only the log says why: addresses are nobody else's business.
            log.warning("not ready", part=part, error=str(error) or "no answer in time")
            return "unavailable"
        return "ok"


def health_routes(
    checks: Mapping[str, Check], metrics: ApiMetrics, packs: Mapping[str, DomainPack]
) -> APIRouter:
    router = APIRouter()
    needed = Parts(checks)
    running = msgspec.json.encode(running_version(packs))

    async def health() -> Response:
        return Response(ALIVE, media_type="application/json")

    async def ready() -> Response:
        parts = await needed.states()
        is_ready = all(state == "ok" for state in parts.values())
        body = msgspec.json.encode(Health("ok" if is_ready else "unavailable", parts))
        return Response(body, 200 if is_ready else 503, media_type="application/json")

    async def version() -> Response:
        return Response(running, media_type="application/json")

    async def exposition() -> Response:
        return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)

    router.add_api_route("/livez", health, **openapi.LIVE)
    router.add_api_route("/readyz", ready, **openapi.READY)
    router.add_api_route("/health", health, **openapi.HEALTH)
    router.add_api_route("/ready", ready, **openapi.READY_ALIAS)
    router.add_api_route("/version", version, **openapi.VERSION)
    router.add_api_route("/metrics", exposition, **openapi.METRICS)
    return router


def running_version(packs: Mapping[str, DomainPack]) -> Version:
    policies = {name: pack.policy.version for name, pack in packs.items()}
    return Version(VERSION, API, platform.python_version(), policies)
