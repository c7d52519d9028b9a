"""Why each kind of problem happens, how it looks, and what to do: pages, documentation, examples.

`type` of a problem links to its page here, and `docs/reference/problems.md` is made of the same.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

JSON = {"Content-Type": "application/json"}
HOST = "127.0.0.1:8080"


@dataclass(frozen=True, slots=True)
class Request:
    """One that leads to the problem; a test sends it."""

    method: str
    path: str
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)

    @property
    def curl(self) -> str:
        words = ["curl", "-s", *(() if self.method == "GET" else ("-X", self.method))]
        words.append(f"{HOST}{self.path}")
        if self.body:
            for name, value in self.headers.items():
                words += ["-H", f"{name}: {value}"]
            words += ["-d", self.body]
        return " ".join(map(shlex.quote, words))


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem.

    Args:
        cause: In one or two sentences.
        fix: What the caller can do.
        example: Requests, the last of which has the problem; or in words when it happens.
    """

    status: int
    cause: str
    fix: str
    example: tuple[Request, ...] | str


def post(body: str, path: str = "/v1/analyze", **headers: str) -> Request:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("POST", path, body, {**JSON, **given})


def get(path: str) -> Request:
    return Request("GET", path)


EVENT = (
    '{"occurred_at": "2026-11-21T03:00:00Z", "client_ip": "203.0.113.7", "method": "GET",'
    ' "path": "/", "status": 200}'
)
DENY, POLICY = "/v1/lists/access/deny", "/v1/policies/access"

KINDS: Mapping[str, Kind] = {
    "invalid-json": Kind(
        400,
        "The body is not JSON (RFC 8259), or not UTF-8. NaN and Infinity are not JSON.",
        "Look at the place that `errors` points to. Leave out what is not known.",
        (post('[{"status": NaN}]'),),
    ),
    "invalid-encoding": Kind(
        400,
        "The body begins with a byte-order mark.",
        "Send UTF-8 without one: `sed '1s/^\\xEF\\xBB\\xBF//'` takes it off a file.",
        "`printf '\\xEF\\xBB\\xBF[]' | curl -s "
        f"{HOST}/v1/analyze -H 'Content-Type: application/json' --data-binary @-`",
    ),
    "invalid-batch": Kind(
        422,
        "The body is JSON, but not a batch of events.",
        'Send a list of events, or an object `{"events": [...]}`, with at least one event.',
        (post('{"event": {}}'),),
    ),
    "invalid-events": Kind(
        422,
        "No event of the batch can be judged; `errors` says why, one by one.",
        "Mend the fields that `errors` points to. As long as one event is good, the batch is "
        "taken, and each bad one has its error in `results`.",
        (post('[{"client_ip": "203.0.113.7", "status": 200}]'),),
    ),
    "invalid-idempotency-key": Kind(
        400,
        "The header Idempotency-Key cannot be a key.",
        "Send it once, with 1 to 255 printable ASCII characters, in quotes if there are blanks "
        "among them. A UUID is a good key.",
        (post(f"[{EVENT}]", Idempotency_Key="two words"),),
    ),
    "idempotency-key-reused": Kind(
        422,
        "The key came with another request before.",
        "Take a new key for every new batch, and keep it for sending the very same bytes again.",
        (
            post(f"[{EVENT}]", Idempotency_Key="night-shift-7"),
            post(f"[{EVENT}, {EVENT}]", Idempotency_Key="night-shift-7"),
        ),
    ),
    "idempotency-key-in-flight": Kind(
        409,
        "The request with this key is being taken.",
        "Ask again after the seconds that the header Retry-After tells.",
        "The same request is sent twice at the same moment.",
    ),
    "invalid-parameter": Kind(
        400,
        "A query parameter or a header cannot be used.",
        "`detail` says which, and what it may be.",
        (get("/v1/decisions?limit=1000"),),
    ),
    "unknown-pack": Kind(
        404,
        "There is no pack of this name.",
        "`detail` names those that there are.",
        (get("/v1/lists/nothing/deny"),),
    ),
    "unknown-analysis": Kind(
        404,
        "There is no analysis with this id, or it is older than a day.",
        "Send the batch again: events that were judged come back as duplicates and count once.",
        (get("/v1/analyses/019aa3f0-6c00-7d2a-9c41-000000000000"),),
    ),
    "unknown-entity": Kind(
        404,
        "No event of this entity has been seen within the pack's longest window.",
        "Write the entity exactly as its events do, percent-encoded.",
        (get("/v1/features/access/203.0.113.99"),),
    ),
    "unknown-decision": Kind(
        404,
        "No answer other than allow is kept about an event of this id. The command "
        "`centinela explain <event id>` looks for any event in the log.",
        "Check the id, or use the command.",
        (get("/v1/decisions/web-9-000000"),),
    ),
    "unknown-list": Kind(
        404, "There are two lists: allow and deny.", "Use one of them.",
        (get("/v1/lists/access/grey"),),
    ),
    "unknown-entry": Kind(
        404,
        "The list has no such entry, or it has ended.",
        "Name the entry as the list shows it, a range with its length.",
        (Request("DELETE", f"{DENY}/198.51.100.0/24"),),
    ),
    "invalid-entry": Kind(
        422,
        "The entry cannot be put on a list; `detail` says why.",
        "An entry is an address, a range that starts at its first address, or an entity's name.",
        (post('{"entry": "203.0.113.7/24"}', DENY),),
    ),
    "invalid-policy": Kind(
        422,
        "With these changes the policy would break a rule; `detail` says which.",
        "Read the policy in force with GET, change it, and put the changed tables.",
        (Request("PUT", POLICY, '{"score": {"alert": 2}}'),),
    ),
    "not-found": Kind(
        404, "There is nothing at this address.", "`/docs` shows all addresses.", (get("/v2"),)
    ),
    "method-not-allowed": Kind(
        405,
        "The address exists, the method does not.",
        "Use one of the methods in the header Allow.",
        (get("/v1/analyze"),),
    ),
    "too-large": Kind(
        413,
        "The body or the batch is over the limit.",
        "Send it in pieces: at most 1,000 events and 1 MiB, unless the operator has set otherwise.",
        "A body of 2 MiB is posted.",
    ),
    "unsupported-media-type": Kind(
        415,
        "The body is of a type, in a character set or a coding that is not read here.",
        "Say in Content-Type what it is, in UTF-8 and not compressed; `detail` names the types.",
        (Request("POST", "/v1/analyze", "<events/>", {"Content-Type": "application/xml"}),),
    ),
    "unavailable": Kind(
        503,
        "Kafka or Redis does not answer. Nothing is known about the batch; "
        "sent again with the same event ids, it is not counted twice.",
        "Send it again after the seconds that the header Retry-After tells, best under an "
        "Idempotency-Key. `/readyz` names the part that is away.",
        "A batch is posted while Kafka is away, or faster than Kafka takes it.",
    ),
    "internal": Kind(
        500,
        "A fault of ours. The log has it under the request's id.",
        "Tell the operator the X-Request-ID of the answer.",
        "It should not happen.",
    ),
    "http": Kind(
        400, "Another HTTP error; see the status.", "See the status.", "It should not happen."
    ),
}  # fmt: skip
"""In the order in which a request meets them."""


def page_of(name: str) -> str:
    """The page that a problem's `type` links to, as Markdown."""
    kind = KINDS[name]
    return (
        f"# {name} ({kind.status})\n\n{kind.cause}\n\n"
        f"Example:{example_of(kind)}\n\nWhat to do: {kind.fix}\n"
    )


def example_of(kind: Kind) -> str:
    if isinstance(kind.example, str):
        return f" {kind.example}"
    return "\n\n" + "\n".join(f"    {request.curl}" for request in kind.example)


def reference() -> str:
    """All pages as one, for the documentation."""
    head = (
        "# Problems\n\nErrors are Problem Details (RFC 9457, `application/problem+json`): `type`, "
        "`title`, `status`,\n`detail`, and `errors` with a JSON pointer each where a body is to "
        "blame. None repeats a value that\nwas sent. `type` is an address of the API itself, "
        "`/problems/<kind>`, whose page says what stands here.\nThis page is made by `python -m "
        "scripts.reference`.\n"
    )
    return head + "".join(f"\n#{page_of(name)}" for name in KINDS)
