"""`centinela dead-letters`: what could not be judged, why, and putting it back."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Annotated

import typer
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from models.durations import duration
from models.errors import InvalidSource
from producer.dead_letters import Letter, letter_of, read_letters
from producer.exits import Exit
from producer.ledger import Ledger
from producer.options import Kafka
from producer.printing import tell, tell_json
from producer.retrying import Retried, by_pack, require_topics, retry
from producer.settings import Connections
from scripts.letters import facts, open_letters, require_of_topic, row, told
from scripts.output import Output, OutputOption, QuietOption, console, plain, print_table, say

dead_letters = typer.Typer(help="What could not be judged, and why.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="As `list` shows it: 0:17.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="As `list` shows them.")]
Since = Annotated[str, typer.Option(help="How far back: 90s, 10m, 24h, 7d.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="The newest so many.")]
Old = Annotated[bool, typer.Option("--all", help="Those that were put back, too.")]
Every = Annotated[bool, typer.Option("--all", help="All that were not put back yet.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Wait = Annotated[
    float, typer.Option(help="Seconds without any outcome after which the rest is missing.")
]


@dead_letters.command("list")
def list_letters(
    since: Since = "30d",
    limit: Limit = 50,
    every: Old = False,
    output: OutputOption = Output.TEXT,
    quiet: QuietOption = False,
    kafka: Kafka = "",
) -> None:
    """The lines set aside and not put back yet, the newest last.

    \b
    Examples:
      centinela dead-letters list
      centinela dead-letters list --since 1h -o json
    """
    found = [letter for letter in read(kafka, since) if every or letter.retried_as is None]
    shown = found[-limit:]
    if output is Output.JSON:
        return tell_json([told(letter) for letter in shown])
    columns = ("id", "set aside", "stood on", "failed", "error", "reason")
    print_table(columns, [row(letter) for letter in shown])
    if len(shown) < len(found):
        say(f"{len(found) - len(shown):,} older ones are not shown: --limit {len(found)}", quiet)


@dead_letters.command("show")
def show_letter(id: Id, output: OutputOption = Output.TEXT, kafka: Kafka = "") -> None:
    """One line as it was set aside, byte for byte, and why.

    What would steer a terminal is spelled out. Exit code 1 if there is no such dead letter.

    \b
    Examples:
      centinela dead-letters show 0:17
      centinela dead-letters show 0:17 -o json
    """
    [letter] = named(read(kafka), [id])
    if output is Output.JSON:
        return tell_json(told(letter))
    rows = Table.grid(padding=(0, 2))
    for name, value in facts(letter).items():
        rows.add_row(Text(name, style="bold"), Text(plain(value)))
    raw = plain(letter.raw.decode(errors="backslashreplace"))
    shown = console()
    shown.print(Panel(rows, title=f"dead letter {letter.id}", title_align="left"))
    shown.print(Text(raw), soft_wrap=True)


@dead_letters.command("retry")
def retry_letters(
    ids: Ids = None,
    every: Every = False,
    since: Since = "30d",
    yes: Yes = False,
    wait: Wait = 30.0,
    output: OutputOption = Output.TEXT,
    quiet: QuietOption = False,
    kafka: Kafka = "",
) -> None:
    """Put lines back on their topic, and tell what became of each.

    A line keeps its event id, or is given the one that its first try had, so that it counts once.
    One that fails again is set aside again, under a new id. Exit code 1 if any did, or is missing.

    \b
    Examples:
      centinela dead-letters retry 0:17
      centinela dead-letters retry --all --since 24h
      centinela dead-letters retry --all --yes -o json
    """
    address, chosen = address_of(kafka), chosen_of(ids or [], every, since, kafka, quiet)
    require_topics(address, chosen)
    if not chosen or not (yes or confirmed(chosen)):
        say("nothing was put back", quiet)
        return
    results = [retry(address, pack, letters, wait) for pack, letters in by_pack(chosen).items()]
    report(results, output, quiet)


def chosen_of(ids: Sequence[str], every: bool, since: str, kafka: str, quiet: bool) -> list[Letter]:
    """The letters that were asked for; of all, what is left out is said."""
    if bool(ids) == every:
        raise InvalidSource("dead letters: name some by their ids, or say --all")
    if ids:
        return [require_of_topic(letter) for letter in named(read(kafka), ids)]
    chosen, left = open_letters(read(kafka, since))
    for why, count in left.items():
        say(f"left out {count:,}: {why}", quiet)
    return chosen


def named(letters: Sequence[Letter], ids: Iterable[str]) -> list[Letter]:
    """The letters of those ids; leaves with an exit code if one is not there."""
    found = {wanted: letter_of(letters, wanted) for wanted in ids}
    if missing := [wanted for wanted, letter in found.items() if letter is None]:
        say(f"centinela: there is no dead letter {', '.join(missing)}")
        raise typer.Exit(Exit.NOT_RIGHT)
    return [letter for letter in found.values() if letter is not None]


def confirmed(letters: Sequence[Letter]) -> bool:
    if not sys.stdin.isatty():
        raise InvalidSource("--yes: must be given where nobody can be asked")
    counts = Counter(letter.topic for letter in letters)
    where = ", ".join(f"{count:,} on {topic}" for topic, count in counts.items())
    return typer.confirm(f"Put back {plain(where)}?", err=True)


def report(results: Sequence[Retried], output: Output, quiet: bool) -> None:
    """Print the account of all packs together and leave with its exit code."""
    ledger = Ledger()
    for name in ("sent", "decided", "duplicate", "late", "dead"):
        setattr(ledger, name, sum(getattr(result.ledger, name) for result in results))
    moved = {id: place for result in results for id, place in result.moved.items()}
    if output is Output.JSON:
        tell_json({**ledger.totals(), "moved": moved})
    else:
        tell(str(ledger))
    if ledger.missing == ledger.sent:
        say("no outcome has come: are the agents running?", quiet)
    if error := next((result.error for result in results if result.error), None):
        raise error
    if ledger.missing or ledger.dead:
        raise typer.Exit(Exit.NOT_RIGHT)


def read(kafka: str, since: str = "") -> list[Letter]:
    """The letters of the last while; all of them if it is empty."""
    logging.getLogger("centinela.kafka").setLevel(logging.CRITICAL)  # its faults come as errors
    oldest_ms = 0
    if since:
        oldest_ms = time.time_ns() // 1_000_000 - how_far(since) // timedelta(milliseconds=1)
    return [letter for letter in read_letters(address_of(kafka)) if letter.at_ms >= oldest_ms]


def address_of(kafka: str) -> str:
    return kafka or Connections().kafka


def how_far(since: str) -> timedelta:
    try:
        return duration(since)
    except ValueError as error:
        raise InvalidSource(f"--since {error}") from None
