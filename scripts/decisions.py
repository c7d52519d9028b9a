"""`centinela decisions`: what was answered lately."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import typer
from rich.text import Text

from scripts import door
from scripts.output import Output, OutputOption, QuietOption, print_json, print_table, say
from scripts.showcase import STYLES
from scripts.stack.settings import LocalStack

decisions = typer.Typer(help="What was answered lately.", no_args_is_help=True)

COLUMNS = ("answered", "client", "event", "action", "score", "reasons")
PAGE = 200
"""The most that the API gives at once."""

Action = Literal["allow", "alert", "challenge", "block"]
Ended = Literal["decided", "duplicate", "late", "dead", "any"]


@decisions.command("list")
def list_decisions(
    pack: Annotated[str, typer.Option(help="The domain.")] = "access",
    entity: Annotated[str, typer.Option(help="Exactly this one's: a client's address.")] = "",
    action: Annotated[
        Action | None, typer.Option(help="Only these; allow is told where all is recorded.")
    ] = None,
    outcome: Annotated[
        Ended | None, typer.Option(help="How events ended; where all is recorded.")
    ] = None,
    since: Annotated[
        str, typer.Option(help="Answered so long ago at most (2h), or since then (RFC 3339).")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The newest so many.")] = 50,
    output: OutputOption = Output.TEXT,
    quiet: QuietOption = False,
) -> None:
    """The newest answers other than allow, asked of the API, the newest first.

    Where CENTINELA_POSTGRES says that all is recorded, others can be asked for too.

    \b
    Examples:
      centinela decisions list
      centinela decisions list --action block --since 2h
      centinela decisions list --entity 203.0.113.7 --limit 500 -o json
      centinela decisions list --entity 203.0.113.7 --outcome any
    """
    asked = {"pack": pack, "entity": entity, "action": action, "outcome": outcome, "since": since}
    given = {name: value for name, value in asked.items() if value}
    found = list(islice(every_decision(given, min(limit + 1, PAGE)), limit + 1))
    if output is Output.JSON:
        print_json(found[:limit])
    else:
        print_table(COLUMNS, [row(decision) for decision in found[:limit]])
    if len(found) > limit:
        say(f"there are more: --limit {2 * limit}", quiet)


def every_decision(given: Mapping[str, str], page: int) -> Iterator[dict[str, Any]]:
    """What the API gives, page after page, each asked for when it is needed."""
    url, cursor = f"{LocalStack().api}/v1/decisions", None
    while True:
        query = {**given, "limit": page, **({"cursor": cursor} if cursor else {})}
        told = door.get(f"{url}?{urlencode(query)}").body
        yield from told["decisions"]
        if (cursor := told["next"]) is None:
            return


def row(decision: Mapping[str, Any]) -> tuple[str | Text, ...]:
    action, score = decision["action"] or decision["outcome"], decision["score"]
    return (
        decision["decided_at"],
        decision["entity"] or "",
        decision["event_id"],
        Text(action, style=STYLES.get(action, "")),
        "" if score is None else f"{score:.2f}",
        why(decision),
    )


def why(decision: Mapping[str, Any]) -> str:
    if "error" in decision:
        return str(decision["error"]["detail"])
    return "; ".join(reason["text"] for reason in decision["reasons"])
