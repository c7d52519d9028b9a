"""`centinela explain`: why an event was answered so, asked of the API or read from the log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Annotated
from urllib.parse import quote

import msgspec
import typer

from models.durations import duration
from models.errors import InvalidSource, Unavailable
from producer.exits import Exit
from producer.options import Kafka
from producer.printing import tell_json
from producer.records import events_topic
from scripts import door
from scripts.explanation import rendered
from scripts.output import Output, OutputOption, QuietOption, console, say
from scripts.stack.settings import LocalStack
from stream_agents.explained import Explanation


def explain(
    event_id: Annotated[str, typer.Argument(help="As it was sent, or as the answer has it.")],
    pack: Annotated[str, typer.Option(help="The domain.")] = "access",
    since: Annotated[str, typer.Option(help="How far back to look in the log.")] = "24h",
    every: Annotated[bool, typer.Option("--all", help="Show usual features too.")] = False,
    output: OutputOption = Output.TEXT,
    quiet: QuietOption = False,
    kafka: Kafka = "",
) -> None:
    """Why an event was answered as it was.

    The newest answers other than allow are asked of the API. Any other event is looked for in the
    log, and its features are derived again from the events before it. Exit code 1 if it is nowhere.

    \b
    Examples:
      centinela explain web-1-42
      centinela explain web-1-42 --since 7d --all
      centinela explain 2-57-0 -o json
    """
    back = how_far(since)
    tell = partial(say, quiet=quiet)
    found = kept(event_id, pack, tell)
    if found is None or lacks_features(found):
        # What judges takes a second to load: only where the log is searched.
        from scripts.log_search import logged

        found = logged(event_id, pack, back, kafka, tell) or found
    if found is None:
        say(f"centinela: no event {event_id!r} is in the last {since} of {events_topic(pack)}")
        raise typer.Exit(Exit.NOT_RIGHT)
    if output is Output.JSON:
        return tell_json(found)
    shown = console()
    for part in rendered(found, every=every):
        shown.print(part)


def how_far(since: str) -> timedelta:
    try:
        return duration(since)
    except ValueError as error:
        raise InvalidSource(f"--since {error}") from None


def kept(event_id: str, pack: str, tell: Callable[[str], None]) -> Explanation | None:
    """What the API tells of an event; None where no answer about it is kept, or it is away."""
    path = f"/v1/decisions/{quote(event_id, safe='')}?pack={quote(pack, safe='')}"
    try:
        told = door.get(f"{LocalStack().api}{path}").body
    except door.Refused as error:
        if error.kind != "unknown-decision":
            raise
        return None
    except Unavailable as error:
        tell(f"{error} Looking in the log.")
        return None
    return msgspec.convert(told, Explanation)


def lacks_features(found: Explanation) -> bool:
    return found.answer.outcome == "decided" and not found.features
