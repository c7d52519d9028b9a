"""`GET /v1/decisions`: what was answered lately, newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import time_ns

from fastapi import APIRouter, Request
from msgspec import UNSET
from starlette.datastructures import QueryParams
from starlette.responses import Response

from api import decisions_openapi as openapi
from api.faults import Fault, clipped
from api.problems import Problem
from api.requests import DEFAULT_PACK, unknown_pack
from api.routes import as_json, reached
from api.schemas import Decisions, GivenDecision
from models.contracts import Outcome
from models.durations import duration
from models.errors import InvalidEvent
from models.policy import micros as length_us
from producer.instants import micros, rfc3339
from stream_agents.decided import Decided, History, InvalidCursor, Page, Wanted

ACTIONS = ("alert", "challenge", "block")
FILTERS = ("pack", "entity", "action", "since", "limit", "cursor")
MOST_AT_ONCE, USUAL = 200, 50
LONGEST_TEXT = 256


@dataclass(frozen=True, slots=True)
class Askable:
    """What may be asked for, by what is there."""

    filters: Sequence[str]
    actions: Sequence[str]
    outcomes: Sequence[str] = ()


OF_KEPT = Askable(FILTERS, ACTIONS)
OF_ALL = Askable((*FILTERS, "outcome"), ("allow", *ACTIONS), (*map(str, Outcome), "any"))


def history_routes(histories: Mapping[str, History]) -> APIRouter:
    """The routes; they say of themselves what these histories can answer."""
    router = APIRouter()
    are_complete = bool(histories) and all(each.is_complete for each in histories.values())
    askable = OF_ALL if are_complete else OF_KEPT

    async def decisions(request: Request) -> Response:
        given = given_once(request.query_params, askable)
        pack = given.get("pack", DEFAULT_PACK)
        if pack not in histories:
            raise unknown_pack(histories)
        wanted = wanted_of(given, time_ns() // 1_000, askable)
        try:
            page = await reached(request, histories[pack].newest(wanted))
        except InvalidCursor:
            raise invalid("cursor must be the `next` of a page") from None
        request.state.told.update(pack=pack, decisions=len(page.decisions))
        return as_json(shown(pack, page))

    docs = openapi.decisions(askable.actions, askable.outcomes)
    router.add_api_route("/v1/decisions", decisions, **docs)
    return router


def given_once(query: QueryParams, askable: Askable) -> dict[str, str]:
    """The parameters by name; a filter that is mistyped must not answer with everything."""
    given = dict(query.multi_items())
    if len(given) < len(query.multi_items()) or not given.keys() <= set(askable.filters):
        raise invalid(f"the parameters are {', '.join(askable.filters)}, each at most once")
    if any(len(text) > LONGEST_TEXT or not text for text in given.values()):
        raise invalid(f"a parameter has 1 to {LONGEST_TEXT} characters")
    return given


def wanted_of(given: Mapping[str, str], now_us: int, askable: Askable) -> Wanted:
    action, outcome = given.get("action"), given.get("outcome")
    if action is not None and action not in askable.actions:
        without = "" if "allow" in askable.actions else "; what was allowed is not kept"
        raise invalid(f"action must be one of {', '.join(askable.actions)}{without}")
    if outcome is not None and outcome not in askable.outcomes:
        raise invalid(f"outcome must be one of {', '.join(askable.outcomes)}")
    since_ms, cursor = since(given, now_us), given.get("cursor")
    return Wanted(given.get("entity"), action, since_ms, limit(given), cursor, outcome)


def since(given: Mapping[str, str], now_us: int) -> int | None:
    """The least time of an answer, milliseconds since 1970: an RFC 3339 time, or so long ago."""
    if "since" not in given:
        return None
    return max(since_us(given["since"], now_us) // 1_000, 0)


def since_us(text: str, now_us: int) -> int:
    try:
        return now_us - length_us(duration(text))
    except ValueError:
        pass
    try:
        return micros(text)
    except InvalidEvent:
        raise invalid("since must be an RFC 3339 time, or a duration such as 2h") from None


def limit(given: Mapping[str, str]) -> int:
    text = given.get("limit", str(USUAL))
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MOST_AT_ONCE):
        raise invalid(f"limit must be 1 to {MOST_AT_ONCE}")
    return int(text)


def invalid(detail: str) -> Problem:
    return Problem(400, "invalid-parameter", detail)


def shown(pack: str, page: Page) -> Decisions:
    return Decisions(pack, list(map(given_decision, page.decisions)), page.next)


def given_decision(decided: Decided) -> GivenDecision:
    taken = decided.taken
    return GivenDecision(
        taken.event_id,
        taken.outcome,
        taken.entity or None,
        taken.occurred_at or None,
        rfc3339(decided.at_ms * 1_000),
        taken.action,
        taken.score,
        taken.ttl_s,
        taken.rules,
        taken.reasons,
        taken.model,
        taken.policy,
        taken.duplicate_of or UNSET,
        Fault(clipped(taken.error)) if taken.error else UNSET,
        taken.degraded or UNSET,
    )
