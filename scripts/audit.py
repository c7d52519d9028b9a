"""`centinela audit`: whether every event that came in has come out, counted from the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated

import msgspec
import typer

from models.catalog import pack_named
from models.errors import InvalidSource
from models.pack import DomainPack
from producer.exits import Exit
from producer.options import Kafka
from producer.printing import tell, tell_json
from producer.settings import Connections
from scripts.output import Output, OutputOption, QuietOption, print_table, say
from stream_agents.audit_sources import fences_of, topics_of
from stream_agents.audited import (
    Account,
    Compared,
    account,
    equation,
    gaps_of,
    with_parity,
)
from stream_agents.auditing import Books
from stream_agents.sighting import id_of
from stream_agents.trails import OUTCOMES, Cut, Journal, Topics

COLUMNS = ("partition", "sent", *OUTCOMES, "pending", "missing", "gone", "earlier")
SHOWN_IDS = 20

Pack = Annotated[str, typer.Option(help="The domain.")]
JournalFile = Annotated[
    Path | None,
    typer.Option("--journal", help="Event ids that were sent, one a line, or events as NDJSON."),
]

Parity = Annotated[int, typer.Option(min=0, help="So many decisions are derived again, at random.")]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be looked at beside the books.

    Args:
        parity: How many decisions are derived again.
    """

    journal: Journal | None = None
    parity: int = 0


def audit(
    pack: Pack = "access",
    journal: JournalFile = None,
    parity: Parity = 0,
    output: OutputOption = Output.TEXT,
    quiet: QuietOption = False,
    kafka: Kafka = "",
) -> None:
    """Whether every event that came in has come out, counted from the log and the fences.

    With --parity, some decisions are derived again from the log as well, and compared bit by bit.

    Exit code 1 if an event is missing, if the log and the fences of the two stages do not agree,
    or if a decision differs; 3 if Kafka or Redis does not answer. What is under way is pending,
    and not missing.

    \b
    Examples:
      centinela audit
      centinela audit -o json
      centinela audit --parity 100
      centinela audit --journal sent-ids.txt
    """
    logging.getLogger("centinela.kafka").setLevel(logging.CRITICAL)  # its faults come as errors
    ids = read_journal(journal) if journal else None
    found = audited(pack_named(pack), Connections(), kafka, Asked(ids, parity))
    if output is Output.JSON:
        tell_json(found)
    else:
        show(found, quiet)
    if not found.is_right:
        raise typer.Exit(Exit.NOT_RIGHT)


def audited(pack: DomainPack, connections: Connections, kafka: str, asked: Asked) -> Account:
    """The books of a pack, from its Kafka and its Redis."""
    address = kafka or connections.kafka
    with ExitStack() as stack:
        topics = topics_of(stack, address, pack.name)
        cut = asyncio.run(fences_of(pack, connections.redis, topics))
        found = account(pack, topics, cut, asked.journal)
        if not asked.parity:
            return found
        return with_parity(found, compared(pack, topics, cut, asked.parity))


def compared(pack: DomainPack, topics: Topics, cut: Mapping[int, Cut], samples: int) -> Compared:
    # What judges takes a second to load: only where it is asked for.
    from models.artifacts import champion_of
    from stream_agents.parity import Judge, compare
    from stream_agents.settings import AgentSettings

    settings = AgentSettings()
    champion = champion_of(pack.name, settings.champion)
    judge = Judge(pack, champion, settings.seen_ids, gaps_of(cut))
    return compare(topics, judge, samples, Random())


def read_journal(file: Path) -> Journal:
    """The ids in a file: of lines that are JSON their `event_id`, else the lines themselves."""
    ids = set()
    for line in file.read_bytes().splitlines():
        if text := line.strip():
            ids.add(id_of(text) if text.startswith(b"{") else text.decode(errors="replace"))
    if not ids - {""}:
        raise InvalidSource(f"{file}: must hold event ids, one a line, or events as NDJSON")
    return Journal(frozenset(ids - {""}))


def show(found: Account, quiet: bool) -> None:
    print_table(COLUMNS, [row(each) for each in found.partitions])
    for line in found.notes:
        say(line, quiet)
    if lost := found.totals["lost_records"]:
        say(f"{lost:,} records went before they were folded: nobody has judged what they held")
    for line in found.wrong:
        say(f"does not agree: {line}")
    if found.journal:
        show_journal(found)
    if found.parity:
        show_parity(found.parity)
    tell(equation(found.totals))


def show_journal(found: Account) -> None:
    assert found.journal is not None
    told = found.journal
    is_whole = not any(each.earlier for each in found.partitions)
    line = f"of {told.ids:,} ids of the journal {told.answered:,} are answered"
    tell(f"{line}, {len(told.pending):,} are pending, {len(told.missing):,} are not in the log")
    for event_id in told.missing[:SHOWN_IDS]:
        tell(f"  {event_id}")
    if len(told.missing) > SHOWN_IDS:
        tell(f"  and {len(told.missing) - SHOWN_IDS:,} more: -o json has all")
    if told.missing and not is_whole:
        say("some may have been answered: the log does not reach back to its beginning")


def show_parity(told: Compared) -> None:
    for each in told.differing:
        say(f"differs: {each.event_id} at {each.place}: {each.what}")
    over = ", ".join(f"{count:,} {why}" for why, count in sorted(told.passed_over.items()))
    tell(
        f"derived again {told.checked:,} decisions, {len(told.differing):,} differ"
        + (f"; passed over: {over}" if over else "")
    )


def row(books: Books) -> tuple[str, ...]:
    values = msgspec.structs.asdict(books) | {"gone": books.answers_gone}
    return tuple(f"{values[name]:,}" for name in COLUMNS)
