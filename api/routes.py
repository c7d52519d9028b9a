"""Routes: validate, call, translate."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from time import time_ns
from typing import Any, TypeVar

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from api import routes_openapi as openapi
from api.analyses import Analyses, Note, nothing
from api.batch import is_answered_late
from api.features import FeatureReader
from api.idempotency import REPLAYED, Known, claimed, fingerprint_of, key_of
from api.media import refuse_coding
from api.metrics import ApiMetrics
from api.problem_kinds import KINDS, page_of
from api.problems import Problem, told
from api.requests import Reader, unknown_pack
from api.schemas import Analysis, Pending
from api.settings import ApiSettings
from api.tracing import new_id
from api.waiting import preferred_wait
from models.errors import Unavailable
from stream_agents.idempotency import IdempotencyStore

Asked = TypeVar("Asked")

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
    keys: IdempotencyStore


def routes(door: Door) -> APIRouter:
    router = APIRouter()

    async def analyze(request: Request) -> Response:
        body = await body_of(request, door.settings.max_body_bytes)
        key = key_of(request.headers.getlist("idempotency-key"))
        if key is None:
            return await submitted(request, body, new_id())
        claim = claimed(door.keys, key, fingerprint_of(request, body), new_id())
        held = await reached(request, claim)
        if isinstance(held, Known):
            return await found(request, held.batch, REPLAYED)
        try:
            return await submitted(request, body, held.batch, held.settle)
        except Problem as problem:
            await held.give_back(was_refused=problem.status < 500)
            raise

    async def submitted(
        request: Request, body: bytes, batch_id: str, published: Note = nothing
    ) -> Response:
        asked, content_type = request.query_params.get("pack"), request.headers.get("content-type")
        batch = door.reader.read(content_type or "", body, asked, batch_id)
        preferred = preferred_wait(request.headers.getlist("prefer"))
        wait_s = door.settings.wait_s if preferred is None else preferred
        waiting = None if is_answered_late(batch) else wait_s
        request.state.told.update(pack=batch.pack.name)
        call = door.analyses.submit(batch, request.state.trace, waiting, published)
        answer = await reached(request, call)
        tell(request, answer)
        count(door.metrics, answer)
        applied = {} if preferred is None else {"Preference-Applied": f"wait={preferred}"}
        return answered(answer, applied)

    async def analysis(request: Request, batch_id: str) -> Response:
        return await found(request, batch_id)

    async def found(
        request: Request, batch_id: str, headers: Mapping[str, str] | None = None
    ) -> Response:
        answer = await reached(request, door.analyses.find(batch_id))
        if answer is None:
            raise told("unknown-analysis")
        tell(request, answer)
        return answered(answer, headers)

    async def features(request: Request, pack: str, entity: str) -> Response:
        if pack not in door.features:
            raise unknown_pack(door.features)
        at = request.query_params.get("at")
        call = door.features[pack].read(entity, at, time_ns() // 1000)
        return as_json(await reached(request, call))

    async def problem(kind: str) -> Response:
        if kind not in KINDS:
            raise told("not-found")
        return PlainTextResponse(page_of(kind))

    router.add_api_route("/v1/analyze", analyze, **openapi.ANALYZE)
    router.add_api_route("/analyze", analyze, **openapi.ANALYZE_ALIAS)
    router.add_api_route("/v1/analyses/{batch_id}", analysis, **openapi.ANALYSIS)
    router.add_api_route("/v1/features/{pack}/{entity:path}", features, **openapi.FEATURES)
    router.add_api_route("/problems/{kind}", problem, **openapi.PROBLEM)
    return router


async def reached(request: Request, call: Awaitable[Asked]) -> Asked:
    """What a call answers; the absence of what it needs as the problem that it is."""
    try:
        return await call
    except Unavailable as error:
        request.state.told["error"] = str(error)
        raise unavailable() from error


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
    return told("unavailable", {"Retry-After": "1"})


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
