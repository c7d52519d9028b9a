"""How the API describes its routes to the lists and to the policy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.responses import Response

from api import examples
from api.openapi import RouteDocs, answers, json_content


def governing(
    method: str, name: str, summary: str, good: dict[int, tuple[str, str, Any]], bad: Iterable[int]
) -> RouteDocs:
    """A route about lists or policies; `good` is status to description, struct and example."""
    good_answers: dict[int | str, dict[str, Any]] = {
        status: {"description": text, "content": json_content(struct, example)}
        for status, (text, struct, example) in good.items()
    }
    return {
        "summary": summary,
        "tags": ["lists"],
        "operation_id": name,
        "methods": [method],
        "response_class": Response,
        "responses": answers((404, *bad, 503, 500), good_answers),
    }


def json_body(struct: str, example: Any) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": json_content(struct, example)}}


LIST = governing(
    "GET",
    "list_entries",
    "Who is on a list",
    {200: ("The entries that have not ended", "ListShown", examples.LIST)},
    (),
)
ADD = {
    **governing(
        "POST",
        "add_entry",
        "Put an address, a range or a name on a list",
        {201: ("In force within a second", "EntryChanged", examples.CHANGED)},
        (400, 413, 422),
    ),
    "openapi_extra": json_body("NewEntry", examples.NEW_ENTRY),
}
REMOVE = governing(
    "DELETE",
    "remove_entry",
    "Take an entry off a list",
    {200: ("In force within a second", "EntryChanged", examples.CHANGED)},
    (422,),
)
POLICY = governing(
    "GET",
    "policy",
    "The policy in force",
    {200: ("All of it, and what differs from the pack's", "PolicyShown", examples.POLICY)},
    (),
)
CHANGE_POLICY = {
    **governing(
        "PUT",
        "change_policy",
        "Change the policy",
        {200: ("In force within a second", "PolicyShown", examples.POLICY)},
        (400, 413, 422),
    ),
    "openapi_extra": json_body("PolicyFile", examples.CHANGES),
}
RESET_POLICY = governing(
    "DELETE",
    "reset_policy",
    "Go back to the pack's own policy",
    {200: ("In force within a second", "PolicyShown", examples.POLICY)},
    (),
)
