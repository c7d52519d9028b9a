"""The answers that were given, newest first and page by page, wherever they are kept."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from models.contracts import ActionTaken
from models.errors import InvalidSource
from stream_agents.stage import KeptDecision

MOST_LOOKED_AT = 2_000
"""Of one page, about 4 MB: who asks for what is rare goes on with the cursor."""

TAKEN = msgspec.json.Decoder(ActionTaken)


class Brief(msgspec.Struct):
    """As much of an answer as decides whether it is wanted."""

    entity: str = ""
    action: str = ""
    outcome: str = ""


BRIEF = msgspec.json.Decoder(Brief)


class Position(NamedTuple):
    """An answer's place among the others: milliseconds since 1970, and its number within them."""

    at_ms: int
    number: int

    @property
    def cursor(self) -> str:
        return urlsafe_b64encode(f"{self.at_ms}-{self.number}".encode()).decode()

    @classmethod
    def read(cls, cursor: str) -> Position:
        """The position behind a cursor; raises InvalidCursor."""
        try:
            text = urlsafe_b64decode(cursor.encode("ascii")).decode("ascii")
        except ValueError:
            raise InvalidCursor("cursor: is none of ours") from None
        if not (found := re.fullmatch("([0-9]{1,15})-([0-9]{1,15})", text)):
            raise InvalidCursor("cursor: is none of ours")
        return cls(int(found[1]), int(found[2]))


class InvalidCursor(InvalidSource):
    """A cursor that no page has given."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which answers are asked for; all that is given must hold.

    Args:
        since_ms: Given at this time or later, milliseconds since 1970.
        limit: The most that are wanted.
        cursor: Of the page before; None for the newest.
        outcome: How the events ended, or `any`. Where neither this nor an action is given, what was
            answered with another action than allow.
    """

    entity: str | None = None
    action: str | None = None
    since_ms: int | None = None
    limit: int = 50
    cursor: str | None = None
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """An answer, and when it was given, milliseconds since 1970."""

    at_ms: int
    taken: ActionTaken


@dataclass(frozen=True, slots=True)
class Page:
    """Answers, the newest first.

    Args:
        next: The cursor of what follows; None where nothing does. A page may hold fewer than were
            wanted, even none, and still name one.
    """

    decisions: Sequence[Decided]
    next: str | None


class History(Protocol):
    """The answers of one pack."""

    @property
    def is_complete(self) -> bool:
        """Whether it holds all outcomes; if not, only what was answered other than allow."""

    async def newest(self, wanted: Wanted) -> Page:
        """A page of them. What is answered meanwhile neither shifts nor repeats the pages.

        Raises:
            InvalidCursor: The cursor is none of this store's.
            Unavailable: The store does not answer.
        """


async def page_of(entries: AsyncIterator[tuple[Position, KeptDecision]], wanted: Wanted) -> Page:
    """A page out of the entries after a cursor, newest first."""
    found: list[Decided] = []
    seen, last = 0, Position(0, 0)
    async for position, kept in entries:
        if seen == MOST_LOOKED_AT:
            return Page(found, last.cursor)
        if is_wanted(kept.line, wanted):
            if len(found) == wanted.limit:
                return Page(found, last.cursor)
            found.append(Decided(position.at_ms, TAKEN.decode(kept.line)))
        seen, last = seen + 1, position
    return Page(found, None)


def is_wanted(line: bytes, wanted: Wanted) -> bool:
    asked = wanted.entity, wanted.action, wanted.outcome
    if asked == (None, None, None):
        return True
    brief = BRIEF.decode(line)
    return (
        wanted.entity in (None, brief.entity)
        and wanted.action in (None, brief.action)
        and wanted.outcome in (None, "any", brief.outcome)
    )
