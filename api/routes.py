"""Routes: validate, call, translate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import time_ns
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from api import openapi
from api.analyses import Analyses
from api.features import FeatureReader
from api.media import refuse_coding
from api.metrics import ApiMetrics
from api.problems import KINDS, Problem
from api.requests import Reader, unknown_pack
from api.schemas import Analysis, Pending
from api.settings import ApiSettings
from api.waiting import preferred_wait
from models.errors import Unavailable

ENCODER = msgspec.json.Encoder()
RETRY_PENDING = "1"
LONGEST_LENGTH = 18
"""Digits of a header `Content-Length` that is read at all."""


@dataclass(frozen=True, slots=True)
class Door:
    """What the routes call."""

    settings: ApiSettings
    reader: Reader
    analyses: Analyses
    features: Mapping[str, FeatureReader]
    metrics: ApiMetrics


def routes(door: Door) -> APIRouter:
    router = APIRouter()

    async def analyze(request: Request) -> Response:
        body = await body_of(request, door.settings.max_body_bytes)
        content_type = request.headers.get("content-type", "")
        batch = door.reader.read(content_type, body, request.query_params.get("pack"))
        preferred = preferred_wait(request.headers.getlist("prefer"))
        wait_s = door.settings.wait_s if preferred is None else preferred
        try:
            answer = await door.analyses.submit(batch, request.state.trace, wait_s)
        except Unavailable as error:
            request.state.told.update(pack=batch.pack.name, error=str(error))
            raise unavailable() from error
        tell(request, answer)
        count(door.metrics, answer)
        applied = {} if preferred is None else {"Preference-Applied": f"wait={preferred}"}
        return answered(answer, applied)

    async def analysis(request: Request, batch_id: str) -> Response:
        try:
            answer = await door.analyses.find(batch_id)
        except Unavailable as error:
            request.state.told["error"] = str(error)
            raise unavailable() from error
        if answer is None:
            raise Problem(404, "unknown-analysis", KINDS["unknown-analysis"])
        tell(request, answer)
        return answered(answer)

    async def features(request: Request, pack: str, entity: str) -> Response:
        if pack not in door.features:
            raise unknown_pack(door.features)
        at = request.query_params.get("at")
        try:
            known = await door.features[pack].read(entity, at, time_ns() // 1000)
        except Unavailable as error:
            request.state.told["error"] = str(error)
            raise unavailable() from error
        return as_json(known)

    async def problem(kind: str) -> Response:
        if kind not in KINDS:
            raise Problem(404, "not-found", KINDS["not-found"])
        return PlainTextResponse(KINDS[kind] + "\n")

    router.add_api_route("/v1/analyze", analyze, methods=["POST"], **openapi.ANALYZE)
    router.add_api_route("/analyze", analyze, methods=["POST"], **openapi.ANALYZE_ALIAS)
    router.add_api_route("/v1/analyses/{batch_id}", analysis, **openapi.ANALYSIS)
    router.add_api_route("/v1/features/{pack}/{entity:path}", features, **openapi.FEATURES)
    router.add_api_route("/problems/{kind}", problem, **openapi.PROBLEM)
    return router


async def body_of(request: Request, limit: int) -> bytes:
    """The body, read no further than the limit.

    FastAPI's own `max_body_size` answers in plain text, so it is not what guards this route.
    """
    too_large = Problem(413, "too-large", f"a body has at most {limit} bytes")
    refuse_coding(request.headers)
    if longer(request.headers.get("content-length", ""), limit):
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_large
    return bytes(body)


def longer(length: str, limit: int) -> bool:
    """Whether a body says of itself that it is over the limit."""
    # Python reads no number of thousands of digits.
    return length.isdecimal() and (len(length) > LONGEST_LENGTH or int(length) > limit)


def answered(answer: Analysis | Pending, headers: Mapping[str, str] | None = None) -> Response:
    if isinstance(answer, Analysis):
        return as_json(answer, headers=headers)
    location = {"Location": f"/v1/analyses/{answer.batch_id}", "Retry-After": RETRY_PENDING}
    return as_json(answer, 202, {**location, **(headers or {})})


def as_json(
    content: msgspec.Struct, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(ENCODER.encode(content), status, dict(headers or {}), "application/json")


def unavailable() -> Problem:
    return Problem(503, "unavailable", KINDS["unavailable"], headers={"Retry-After": "1"})


def tell(request: Request, answer: Analysis | Pending) -> None:
    """What the request's log line says about a batch; no payloads."""
    told: dict[str, Any] = request.state.told
    told.update(pack=answer.pack, batch_id=answer.batch_id, batch=answer.status)
    if isinstance(answer, Analysis):
        told.update(events=answer.summary.events, summary=msgspec.structs.asdict(answer.summary))
    else:
        told.update(events=answer.events, answered=answer.answered)


def count(metrics: ApiMetrics, answer: Analysis | Pending) -> None:
    if isinstance(answer, Analysis):
        metrics.completed(answer)
    else:
        metrics.batch(answer.pack, answer.status)
