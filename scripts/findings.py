"""What the pipeline found in many events: one finding a client, and the account of all events."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from models.contracts import Action
from producer.ledger import Ledger
from producer.printing import plain
from scripts.showcase import STYLES, verdict

LEVELS = {action.name.lower(): int(action) for action in Action}
MOST_REASONS = 3


class Finding(msgspec.Struct, frozen=True):
    """A client that met more than allow.

    Args:
        requests: Of the client in all.
        answered: How many of them were answered by more than allow.
        action: The strictest.
        event_id: Of the first request answered so; reasons and score are this one's.
    """

    client: str
    requests: int
    answered: int
    action: str
    score: float | None
    reasons: tuple[str, ...]
    event_id: str


class Found:
    """Collects the answers to batches."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self._requests: dict[str, int] = {}
        self._answered: dict[str, int] = {}
        self._strictest: dict[str, dict[str, Any]] = {}

    def add(self, sent: int, answer: dict[str, Any]) -> None:
        """Takes what `/analyze` said about so many events."""
        told, ledger = answer["summary"], self.ledger
        ledger.sent += sent
        ledger.rejected += told["invalid"]
        for outcome in ("decided", "duplicate", "late", "dead"):
            setattr(ledger, outcome, getattr(ledger, outcome) + told[outcome])
        for result in answer["results"]:
            self._note(result)

    def findings(self) -> list[Finding]:
        """The strictest first, and of these those with the most requests answered so."""
        found = map(self._finding, self._strictest)
        return sorted(found, key=lambda each: (-LEVELS[each.action], -each.answered, each.client))

    def _note(self, result: dict[str, Any]) -> None:
        client = result.get("entity", "")
        self._requests[client] = self._requests.get(client, 0) + 1
        level = LEVELS.get(verdict(result), 0)
        if not level:
            return
        self._answered[client] = self._answered.get(client, 0) + 1
        known = self._strictest.get(client)
        if known is None or level > LEVELS[known["action"]]:
            self._strictest[client] = result

    def _finding(self, client: str) -> Finding:
        first = self._strictest[client]
        return Finding(
            client,
            self._requests[client],
            self._answered[client],
            first["action"],
            first["score"],
            tuple(reason["text"] for reason in first["reasons"]),
            first["event_id"],
        )


def findings_table(findings: Sequence[Finding]) -> Table:
    """Clients that were found alike are one row."""
    table = Table(title="what it found", title_justify="left")
    for column in ("client", "requests", "action", "score", "reasons when it was first found"):
        table.add_column(column, overflow="fold")
    alike: dict[tuple[str, ...], list[Finding]] = {}
    for each in findings:
        alike.setdefault((each.action, *each.reasons[:1]), []).append(each)
    for group in alike.values():
        _add_row(table, group)
    return table


def _add_row(table: Table, group: Sequence[Finding]) -> None:
    first, more = group[0], len(group) - 1
    answered, requests = sum(each.answered for each in group), sum(each.requests for each in group)
    table.add_row(
        Text(plain(first.client) + (f"\nand {more} more" if more else "")),
        f"{answered} of {requests}",
        Text(first.action, style=STYLES[first.action]),
        "" if first.score is None else f"{first.score:.2f}",
        Text(plain("; ".join(first.reasons[:MOST_REASONS]))),
    )


def told_apart(
    findings: Iterable[Finding], attackers: Collection[str], others: Collection[str]
) -> dict[str, int]:
    """How many of the attackers, and of the others, met more than allow."""
    clients = {each.client for each in findings}
    return {
        "attackers": len(attackers),
        "attackers_found": len(clients & set(attackers)),
        "others": len(others),
        "others_found": len(clients & set(others)),
    }
