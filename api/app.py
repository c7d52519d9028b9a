"""The application, from what it is given; `wiring.py` gives it the real things."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils import uuid7

from api import openapi
from api.analyses import Analyses, Publisher
from api.decisions import Explaining, decision_routes
from api.features import FeatureReader, StateReader
from api.governing import Governor
from api.health import Check, health_routes
from api.lists import lists_routes, policy_routes
from api.metrics import ApiMetrics
from api.problems import Problem, of_status
from api.requests import Reader
from api.routes import Door, routes
from api.settings import ApiSettings
from api.tracing import Traced
from models.pack import DomainPack
from stream_agents.answers import Replies
from stream_agents.regimes import RegimeStore

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the API stands among.

    Args:
        packs: By name.
        stores: Where the entities of each pack are kept.
        regimes: Where the lists and the policy changes of each pack are kept.
        explaining: What explains the answers of each pack.
        partitions: Of every topic.
        checks: What `/ready` asks, by the part's name.
    """

    publisher: Publisher
    replies: Replies
    packs: Mapping[str, DomainPack]
    stores: Mapping[str, StateReader]
    regimes: Mapping[str, RegimeStore]
    explaining: Mapping[str, Explaining]
    partitions: int
    checks: Mapping[str, Check] = field(default_factory=dict)


def create_app(
    settings: ApiSettings, around: Surroundings, lifespan: Lifespan | None = None
) -> FastAPI:
    # FastAPI's own pages load their scripts from a public host; these are served from here.
    app = FastAPIOffline(
        title="Centinela",
        summary="Watches streams of events and says what to do about each one.",
        version="1",
        lifespan=lifespan,
        exception_handlers={
            Problem: problem_answer,
            HTTPException: http_answer,
            RequestValidationError: parameter_answer,
        },
    )
    metrics = ApiMetrics(lambda: around.replies.waiting)
    door = Door(
        settings,
        Reader(around.packs, settings.max_events, new_id),
        Analyses(around.publisher, around.replies, around.partitions, new_id),
        {
            name: FeatureReader(around.packs[name], store, around.partitions)
            for name, store in around.stores.items()
        },
        metrics,
    )
    app.include_router(routes(door))
    governors = {name: Governor(around.packs[name], at) for name, at in around.regimes.items()}
    app.include_router(lists_routes(governors))
    app.include_router(policy_routes(governors))
    app.include_router(decision_routes(around.explaining))
    app.include_router(health_routes(around.checks, metrics))
    app.add_middleware(Traced, metrics=metrics, new_id=new_id)
    events = [pack.event for pack in around.packs.values()]
    app.openapi = openapi.description(app, events)  # type: ignore[method-assign]  # FastAPI's way
    return app


def new_id() -> str:
    """UUIDv7: unique, and sorted by time."""
    return str(uuid7())


async def problem_answer(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return problem.response()


async def http_answer(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return of_status(error.status_code, error.headers).response()


async def parameter_answer(_: Request, __: Exception) -> Response:
    return Problem(400, "invalid-parameter", "a parameter of the address is not valid").response()
