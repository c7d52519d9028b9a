"""The application, from what it is given; `wiring.py` gives it the real things."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from prometheus_client import CollectorRegistry

from api.analyses import Analyses, Publisher
from api.decisions import Explaining, decision_routes
from api.description import description
from api.features import FeatureReader, StateReader
from api.governing import Governor
from api.handlers import answer_errors
from api.health import Check, health_routes
from api.history import history_routes
from api.lists import lists_routes, policy_routes
from api.metrics import ApiMetrics
from api.requests import Reader
from api.routes import Door, routes
from api.settings import ApiSettings
from api.tracing import Traced
from models.pack import DomainPack
from stream_agents.answers import Replies
from stream_agents.decided import History
from stream_agents.idempotency import IdempotencyStore, MemoryIdempotency
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
        keys: Which requests were taken already.
        histories: What was answered, by pack; for a pack without one, what is kept to be explained.
        agents: What agents in this very process tell, for `/metrics`.
    """

    publisher: Publisher
    replies: Replies
    packs: Mapping[str, DomainPack]
    stores: Mapping[str, StateReader]
    regimes: Mapping[str, RegimeStore]
    explaining: Mapping[str, Explaining]
    partitions: int
    checks: Mapping[str, Check] = field(default_factory=dict)
    keys: IdempotencyStore = field(default_factory=MemoryIdempotency)
    histories: Mapping[str, History] = field(default_factory=dict)
    agents: Sequence[CollectorRegistry] = ()


def create_app(
    settings: ApiSettings, around: Surroundings, lifespan: Lifespan | None = None
) -> FastAPI:
    # FastAPI's own pages load their scripts from a public host; these are served from here.
    app = FastAPIOffline(
        title="Centinela",
        summary="Watches streams of events and says what to do about each one.",
        version="1",
        lifespan=lifespan,
        # A redirect would be an answer without a body, to an address that the client chose.
        redirect_slashes=False,
    )
    metrics = ApiMetrics(lambda: around.replies.waiting, around.agents)
    door = Door(
        settings,
        Reader(around.packs, settings.max_events),
        Analyses(around.publisher, around.replies, around.partitions),
        {
            name: FeatureReader(around.packs[name], store, around.partitions)
            for name, store in around.stores.items()
        },
        metrics,
        around.keys,
    )
    governors = {name: Governor(around.packs[name], at) for name, at in around.regimes.items()}
    kept: dict[str, History] = {name: each.kept for name, each in around.explaining.items()}
    routers = (
        routes(door),
        lists_routes(governors),
        policy_routes(governors),
        decision_routes(around.explaining),
        history_routes(kept | dict(around.histories)),
        health_routes(around.checks, metrics, around.packs),
    )
    for router in routers:
        app.include_router(router)
    answer_errors(app, routers)
    app.add_middleware(Traced, metrics=metrics)
    app.openapi = description(app, around.packs, routers)  # type: ignore[method-assign]  # FastAPI's way
    return app
