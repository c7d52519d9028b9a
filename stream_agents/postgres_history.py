"""What was answered, asked of the record on PostgreSQL."""

from __future__ import annotations

from typing import Any

from stream_agents.decided import Decided, Page, Position, Wanted
from stream_agents.postgres import Database
from stream_agents.postgres_records import AS_JSON
from stream_agents.recording import ROW, Row, storable_text

WITHIN_S = 5.0
"""What takes longer looks at too many rows: its asker should name a time or an entity."""

ORDER = "ORDER BY decided_at DESC, id DESC LIMIT %s"
ABOUT = f"""
SELECT {AS_JSON} FROM decisions WHERE pack = %s AND event_id = %s
ORDER BY outcome = 'decided' DESC, decided_at, id LIMIT 1
"""

MOMENT = "timestamptz 'epoch' + %s * interval '1 millisecond'"

Condition = tuple[str, list[Any]]


class PostgresHistory:
    """`History` of all answers of a pack, for as long as they are recorded."""

    is_complete = True

    def __init__(self, database: Database, pack: str) -> None:
        self._database = database
        self._pack = pack

    async def newest(self, wanted: Wanted) -> Page:
        held, values = conditions(self._pack, wanted)
        query = f"SELECT id, {AS_JSON} FROM decisions WHERE {held} {ORDER}"
        found = await self._rows(query, [*values, wanted.limit + 1])
        rows = [(number, ROW.decode(told)) for number, told in found[: wanted.limit]]
        decided = [Decided(row.decided_ms, row.taken) for _, row in rows]
        if len(found) <= wanted.limit:
            return Page(decided, None)
        number, last = rows[-1]
        return Page(decided, Position(last.decided_ms, number).cursor)

    async def find(self, event_id: str) -> Row | None:
        """The answer about an event; where it was repeated, the one to the first."""
        found = await self._rows(ABOUT, [self._pack, storable_text(event_id)])
        return ROW.decode(found[0][0]) if found else None

    async def _rows(self, query: str, values: list[Any]) -> list[tuple[Any, ...]]:
        async with self._database.transaction(WITHIN_S) as transaction:
            return await transaction.rows(query, values)


def conditions(pack: str, wanted: Wanted) -> Condition:
    """What must hold of a row, and the values in it."""
    parts = [("pack = %s", [pack]), *kinds(wanted)]
    if wanted.entity is not None:
        parts.append(("entity = %s", [storable_text(wanted.entity)]))
    if wanted.since_ms is not None:
        parts.append((f"decided_at >= {MOMENT}", [wanted.since_ms]))
    if wanted.cursor:
        parts.append((f"(decided_at, id) < ({MOMENT}, %s)", [*Position.read(wanted.cursor)]))
    return " AND ".join(held for held, _ in parts), [each for _, values in parts for each in values]


def kinds(wanted: Wanted) -> list[Condition]:
    """Which outcomes and actions; said such that the partial indexes apply."""
    parts: list[Condition] = []
    if wanted.action is not None:
        found = "" if wanted.action == "allow" else "action <> 'allow' AND "
        parts.append((f"{found}action = %s", [wanted.action]))
    elif wanted.outcome is None:
        parts.append(("action <> 'allow'", []))
    if wanted.outcome not in (None, "any"):
        undecided = "" if wanted.outcome == "decided" else "outcome <> 'decided' AND "
        parts.append((f"{undecided}outcome = %s", [wanted.outcome]))
    return parts
