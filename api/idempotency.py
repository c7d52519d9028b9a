"""The header `Idempotency-Key`: a batch that is sent again under its key is taken once.

References:
    draft-ietf-httpapi-idempotency-key-header-07
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import structlog
from starlette.requests import Request

from api.problems import Problem, told
from models.errors import Unavailable
from stream_agents.idempotency import IdempotencyStore

LONGEST_KEY = 255
QUOTED = rf'"(?:[ !#-\[\]-~]|\\["\\]){{1,{LONGEST_KEY}}}"'
BARE = rf"[!#-+\--:<-~]{{1,{LONGEST_KEY}}}"
"""Without quotes, as many clients send it: no blank, quote, comma or semicolon."""

REPLAYED = {"Idempotent-Replayed": "true"}

log = structlog.get_logger("api")


@dataclass(frozen=True, slots=True)
class Held:
    """A key that this request holds, and the batch that it stands for."""

    store: IdempotencyStore
    key: str
    batch: str

    async def settle(self) -> None:
        """The batch is in the log. That this is not noted is no reason to refuse it: whoever
        comes after the lease publishes the same batch again, and it counts once."""
        try:
            await self.store.settle(self.key, self.batch)
        except Unavailable as error:
            log.warning("key not settled", batch_id=self.batch, error=str(error))

    async def give_back(self, was_refused: bool) -> None:
        """Let others have the key: for this batch, or for any if the batch was refused."""
        end = self.store.forget if was_refused else self.store.release
        try:
            await end(self.key, self.batch)
        except Unavailable as error:
            log.warning("key not given back", batch_id=self.batch, error=str(error))


@dataclass(frozen=True, slots=True)
class Known:
    """A key whose batch is in the log already."""

    batch: str


async def claimed(store: IdempotencyStore, key: str, fingerprint: str, batch: str) -> Held | Known:
    """Whether to publish a batch or to find the one that the key stands for.

    Raises:
        Problem: The key stands for another request, or for one that is being published.
        Unavailable: The store does not answer.
    """
    claim = await store.claim(key, fingerprint, batch)
    if claim.state == "other":
        raise told("idempotency-key-reused")
    if claim.state == "in-flight":
        raise told("idempotency-key-in-flight", {"Retry-After": "1"})
    if claim.state == "done":
        return Known(claim.batch)
    return Held(store, key, claim.batch)


def key_of(headers: Sequence[str]) -> str | None:
    """The key of a request, None where it has none.

    Args:
        headers: All headers of that name: a string as structured fields have it, or a bare word.

    Raises:
        Problem: It cannot be a key.
    """
    if not headers:
        return None
    given = headers[0].strip(" \t")
    if len(headers) > 1:
        raise no_key("there must be one Idempotency-Key")
    if re.fullmatch(QUOTED, given):
        return re.sub(r"\\(.)", r"\1", given[1:-1])
    if re.fullmatch(BARE, given):
        return given
    raise no_key(
        f"Idempotency-Key must be 1 to {LONGEST_KEY} printable ASCII characters in quotes,"
        " or as many without blanks, quotes, commas and semicolons"
    )


def no_key(detail: str) -> Problem:
    return Problem(400, "invalid-idempotency-key", detail)


def fingerprint_of(request: Request, body: bytes) -> str:
    """Of all that a request for an analysis asks for, but not of how long it would wait."""
    media_type = request.headers.get("content-type", "")
    asked = f"{media_type}\0{request.query_params.get('pack', '')}\0"
    return sha256(asked.encode() + body).hexdigest()
