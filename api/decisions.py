"""Why an event was answered as it was: from what the decision agent keeps of the newest answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog
from fastapi import APIRouter, Request
from starlette.responses import Response

from api import decisions_openapi as openapi
from api.problems import told
from api.requests import unknown_pack
from api.routes import as_json, reached
from models.artifacts import Champion
from models.errors import InvalidArtifact
from models.pack import DomainPack
from models.policy import Policy
from producer.retained import Retained
from stream_agents.explained import Explanation
from stream_agents.explaining import explain_kept
from stream_agents.explanation import Judges
from stream_agents.kept import DecisionStore
from stream_agents.recalled import Recalled
from stream_agents.regimes import Current
from stream_agents.sighting import TAKEN
from stream_agents.stage import KeptDecision

log = structlog.get_logger("api")


@dataclass(slots=True)
class Explaining:
    """Explains the kept answers of one pack.

    Args:
        events: `events.<pack>`.
        regime: Of the agents; read again where it has changed.
        load: Loads the champion that the agents judge by; raises `InvalidArtifact`.
        recalled: Where an answer is looked for that is not kept; nowhere if None.
    """

    pack: DomainPack
    kept: DecisionStore
    events: Retained
    regime: Current
    load: Callable[[], Champion]
    recalled: Recalled | None = None
    _loaded: Champion | None = field(default=None, init=False)

    async def explained(self, event_id: str) -> Explanation | None:
        """None where no answer about the event is kept or recorded.

        Raises:
            Unavailable: The store does not answer.
        """
        kept = await self.kept.find(event_id)
        if kept is None and self.recalled is not None:
            kept = await self.recalled.find(event_id)
        if kept is None:
            return None
        await self.regime.refresh()
        return await asyncio.to_thread(self._explained, kept, self.regime.now().policy)

    def _explained(self, kept: KeptDecision, policy: Policy) -> Explanation:
        model = TAKEN.decode(kept.line).model
        return explain_kept(kept, self.events, Judges(self.pack, self._champion(model), policy))

    def _champion(self, version: str | None) -> Champion | None:
        """The champion; loaded again where another one judged, as it may have been replaced."""
        if self._loaded is None or self._loaded.version != version:
            try:
                self._loaded = self.load()
            except InvalidArtifact as error:
                log.error("explained without a champion", error=str(error))
        return self._loaded


def decision_routes(explaining: Mapping[str, Explaining]) -> APIRouter:
    router = APIRouter()

    async def decision(request: Request, event_id: str) -> Response:
        for pack in asked(request.query_params.get("pack"), explaining):
            found = await reached(request, explaining[pack].explained(event_id))
            if found is not None:
                request.state.told.update(pack=pack, event_id=event_id)
                return as_json(found)
        raise told("unknown-decision")

    router.add_api_route("/v1/decisions/{event_id:path}", decision, **openapi.DECISION)
    return router


def asked(pack: str | None, known: Mapping[str, Explaining]) -> list[str]:
    """The packs to look in: the one named, or all."""
    if pack is not None and pack not in known:
        raise unknown_pack(known)
    return list(known) if pack is None else [pack]
