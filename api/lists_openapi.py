"""How the API describes its routes to the lists and to the policy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.responses import Response

from api import examples
from api.openapi import Described, RouteDocs, answers, content, good

NEEDED = ("unknown-pack", "unavailable")
READ = ("invalid-json", "invalid-encoding", "too-large", "unsupported-media-type")


def governing(
    method: str, name: str, summary: str, answer: dict[int | str, Described], kinds: Iterable[str]
) -> RouteDocs:
    """A route about lists or policies; `kinds` are its problems beside those that all have."""
    return {
        "summary": summary,
        "tags": ["lists"],
        "operation_id": name,
        "methods": [method],
        "response_class": Response,
        "responses": answers((*NEEDED, *kinds), answer),
    }


def json_body(struct: str, **shown: Any) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": content(struct, **shown)}}


CHANGED = content("EntryChanged", range=examples.CHANGED, one_address=examples.CHANGED_ADDRESS)
POLICIES = content("PolicyShown", changed=examples.POLICY, own=examples.OWN_POLICY)

LIST = governing(
    "GET",
    "list_entries",
    "Who is on a list",
    {
        200: good(
            "The entries that have not ended",
            content("ListShown", one=examples.LIST, nobody=examples.EMPTY_LIST),
        )
    },
    ("unknown-list",),
)
ADD = {
    **governing(
        "POST",
        "add_entry",
        "Put an address, a range or a name on a list",
        {201: good("In force within a second", CHANGED)},
        ("unknown-list", *READ, "invalid-entry"),
    ),
    "openapi_extra": json_body(
        "NewEntry", range=examples.NEW_ENTRY, one_address=examples.NEW_ADDRESS
    ),
}
REMOVE = governing(
    "DELETE",
    "remove_entry",
    "Take an entry off a list",
    {200: good("In force within a second", CHANGED)},
    ("unknown-list", "unknown-entry", "invalid-entry"),
)
POLICY = governing(
    "GET",
    "policy",
    "The policy in force",
    {200: good("All of it, and what differs from the pack's", POLICIES)},
    (),
)
CHANGE_POLICY = {
    **governing(
        "PUT",
        "change_policy",
        "Change the policy",
        {200: good("In force within a second", POLICIES)},
        (*READ, "invalid-policy"),
    ),
    "openapi_extra": json_body(
        "PolicyFile", thresholds=examples.CHANGES, times=examples.CHANGED_TIMES
    ),
}
RESET_POLICY = governing(
    "DELETE",
    "reset_policy",
    "Go back to the pack's own policy",
    {200: good("In force within a second", POLICIES)},
    (),
)
