"""Routes to the lists and to the policy: validate, call, translate.

A change is in force in every agent within about a second, without a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import time_ns
from typing import TypeVar

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from api import lists_openapi as openapi
from api.faults import fault_of
from api.governing import Governor, Listed
from api.media import JSON, refuse_marks, type_of
from api.problems import Problem, told
from api.requests import BROKEN, no_json, unknown_pack
from api.routes import as_json, body_of, reached
from api.schemas import EntryChanged, NewEntry
from api.syntax import broken
from models.regime import PolicyFile

Asked = TypeVar("Asked", bound=msgspec.Struct)

ENTRY = msgspec.json.Decoder(NewEntry)
POLICY = msgspec.json.Decoder(PolicyFile)
LISTS: Mapping[str, Listed] = {"allow": "allow", "deny": "deny"}
MOST_BYTES = 64 * 1024


def lists_routes(governors: Mapping[str, Governor]) -> APIRouter:
    router = APIRouter()

    async def show(request: Request, pack: str, listed: str) -> Response:
        call = governor(governors, pack).listed(list_named(listed), now_us())
        return as_json(await reached(request, call))

    async def add(request: Request, pack: str, listed: str) -> Response:
        to, on = governor(governors, pack), list_named(listed)
        new = await read(request, ENTRY, "invalid-entry")
        changed = await reached(request, to.add(on, new, now_us()))
        tell(request, changed)
        return as_json(changed, 201)

    async def remove(request: Request, pack: str, listed: str, entry: str) -> Response:
        call = governor(governors, pack).remove(list_named(listed), entry, now_us())
        changed = await reached(request, call)
        tell(request, changed)
        return as_json(changed)

    router.add_api_route("/v1/lists/{pack}/{listed}", show, **openapi.LIST)
    router.add_api_route("/v1/lists/{pack}/{listed}", add, **openapi.ADD)
    router.add_api_route("/v1/lists/{pack}/{listed}/{entry:path}", remove, **openapi.REMOVE)
    return router


def policy_routes(governors: Mapping[str, Governor]) -> APIRouter:
    router = APIRouter()

    async def policy(request: Request, pack: str) -> Response:
        return as_json(await reached(request, governor(governors, pack).policy()))

    async def change(request: Request, pack: str) -> Response:
        of = governor(governors, pack)
        changes = await read(request, POLICY, "invalid-policy")
        return await changed_to(request, of, changes)

    async def reset(request: Request, pack: str) -> Response:
        return await changed_to(request, governor(governors, pack), None)

    router.add_api_route("/v1/policies/{pack}", policy, **openapi.POLICY)
    router.add_api_route("/v1/policies/{pack}", change, **openapi.CHANGE_POLICY)
    router.add_api_route("/v1/policies/{pack}", reset, **openapi.RESET_POLICY)
    return router


def governor(governors: Mapping[str, Governor], pack: str) -> Governor:
    if pack not in governors:
        raise unknown_pack(governors)
    return governors[pack]


async def changed_to(request: Request, of: Governor, changes: PolicyFile | None) -> Response:
    shown = await reached(request, of.change_policy(changes))
    request.state.told.update(pack=shown.pack, policy=shown.version)
    return as_json(shown)


def tell(request: Request, changed: EntryChanged) -> None:
    """Who is let through is worth a line: what was changed, and by whom."""
    request.state.told.update(
        pack=changed.pack,
        list=changed.list,
        revision=changed.revision,
        entry=changed.entry.entry,
        author=changed.entry.author,
    )


def list_named(text: str) -> Listed:
    if text not in LISTS:
        raise told("unknown-list")
    return LISTS[text]


async def read(request: Request, decoder: msgspec.json.Decoder[Asked], kind: str) -> Asked:
    """The struct in a request's body.

    Raises:
        Problem: It is not JSON, or not what is expected; `kind` then.
    """
    # Of any other type a page of another site could send it from its reader's browser.
    type_of(request.headers.get("content-type", ""), (JSON,))
    body = await body_of(request, MOST_BYTES)
    refuse_marks(body)
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        fault = fault_of(str(error))
        raise Problem(422, kind, fault.detail, errors=[fault]) from None
    except BROKEN as error:
        raise no_json(broken(body, error, "")) from None


def now_us() -> int:
    return time_ns() // 1_000
