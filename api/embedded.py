"""The application in front of a pipeline in its own process, served by a thread."""

from __future__ import annotations

import asyncio
import socket
import time
from threading import Thread
from types import TracebackType
from typing import Self

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI

from api.app import Surroundings, create_app
from api.decisions import Explaining
from api.serving import LEAVE_S, OPTIONS
from api.settings import ApiSettings
from api.wiring import warm as warm_api
from feature_store.columns import TextColumn
from feature_store.text import parse_times
from models.errors import Unavailable
from producer.records import events_topic
from stream_agents.embedded import EmbeddedPipeline
from stream_agents.engine import Detection
from stream_agents.memory import MemoryRetained
from stream_agents.regimes import Current
from stream_agents.warm import warm as warm_agents

LOOK_EVERY_S = 0.01
BACKLOG = 2048
REPLY = "embedded"

log = structlog.get_logger("api")


def build(settings: ApiSettings, pipeline: EmbeddedPipeline) -> FastAPI:
    """The application on a pipeline that runs in the same event loop."""
    pack, regimes = pipeline.pack, pipeline.regimes
    events = MemoryRetained(pipeline.broker, events_topic(pack.name))
    explaining = Explaining(
        pack, pipeline.kept, events, Current(pack, regimes), lambda: pipeline.champion
    )
    around = Surroundings(
        publisher=pipeline,
        replies=pipeline.results.replies(REPLY),
        packs={pack.name: pack},
        stores={pack.name: pipeline.states},
        regimes={pack.name: regimes},
        explaining={pack.name: explaining},
        partitions=pipeline.partitions,
        agents=[metrics.registry for metrics in pipeline.metrics],
    )
    return create_app(settings, around)


def warm(pipeline: EmbeddedPipeline) -> None:
    """Compile or load all kernels, so that neither a caller nor an agent waits for it."""
    warm_agents(pipeline.pack, Detection(pipeline.pack, pipeline.champion))
    parse_times(TextColumn.of([""]))
    warm_api(pipeline.pack)


class Serving:
    """The pipeline and its API, in a thread of their own until the block is left.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, settings: ApiSettings, pipeline: EmbeddedPipeline) -> None:
        self._server = uvicorn.Server(uvicorn.Config(build(settings, pipeline), **OPTIONS))
        self._listening = listening(settings.host, settings.port)
        self._pipeline = pipeline
        self._failure: BaseException | None = None
        self._thread = Thread(target=self._run, name="embedded", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            self.check()
            time.sleep(LOOK_EVERY_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(2 * LEAVE_S)

    def check(self) -> None:
        """Raises `Unavailable` if it has ended."""
        if not self._thread.is_alive():
            raise Unavailable(f"the pipeline has ended: {self._failure!r}") from self._failure

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except Exception as error:  # the rim of the thread: `check` tells it to the others
            self._failure = error
            log.exception("the pipeline has ended")

    async def _serve(self) -> None:
        serving = asyncio.create_task(self._server.serve([self._listening]))
        try:
            async with self._pipeline.running():
                # Shielded: where an agent fails, whoever waits is still answered.
                await asyncio.shield(serving)
        finally:
            self._server.should_exit = True
            await serving


def listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)
