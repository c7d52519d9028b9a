"""`centinela audit`: whether every event that came in has come out, counted from the log."""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from feature_store.fence import StoreUnavailable
from feature_store.online import RedisOnlineStore, connect
from models.catalog import pack_named
from models.errors import InvalidSource, Unavailable
from models.pack import DomainPack
from producer.exits import Exit
from producer.options import Kafka
from producer.printing import tell, tell_json
from producer.records import DEAD_LETTER, actions_topic, decisions_topic, events_topic
from producer.retained import KafkaRetained
from producer.settings import Connections
from scripts.output import Output, OutputOption, QuietOption, print_table, say
from stream_agents.audited import Account, account, cuts, equation
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


def audit(
    pack: Pack = "access",
    journal: JournalFile = None,
    output: OutputOption = Output.TEXT,
    quiet: QuietOption = False,
    kafka: Kafka = "",
) -> None:
    """Whether every event that came in has come out, counted from the log and the fences.

    Exit code 1 if an event is missing, or the log and the fences of the two stages do not agree;
    3 if Kafka or Redis does not answer. What is under way is pending, and not missing.

    \b
    Examples:
      centinela audit
      centinela audit -o json
      centinela audit --journal sent-ids.txt
    """
    logging.getLogger("centinela.kafka").setLevel(logging.CRITICAL)  # its faults come as errors
    ids = read_journal(journal) if journal else None
    found = audited(pack_named(pack), Connections(), kafka, ids)
    if output is Output.JSON:
        tell_json(found)
    else:
        show(found, quiet)
    if not found.is_right:
        raise typer.Exit(Exit.NOT_RIGHT)


def audited(
    pack: DomainPack, connections: Connections, kafka: str, journal: Journal | None
) -> Account:
    """The books of a pack, from its Kafka and its Redis."""
    address = kafka or connections.kafka
    names = (events_topic, decisions_topic, actions_topic)
    with ExitStack() as stack:
        opened = [
            stack.enter_context(closing(KafkaRetained(address, topic)))
            for topic in (*(name(pack.name) for name in names), DEAD_LETTER)
        ]
        topics = Topics(*opened)
        epochs = topics.events.epoch(), topics.decisions.epoch()
        partitions = list(topics.events.spans())
        cut = asyncio.run(fences(pack, connections.redis, epochs, partitions))
        return account(pack, topics, cut, journal)


async def fences(
    pack: DomainPack, url: str, epochs: tuple[str, str], partitions: list[int]
) -> dict[int, Cut]:
    redis, keep = connect(url), timedelta(days=1)  # of what is written; nothing is
    first, second = (
        RedisOnlineStore(redis, stage, pack.features.entity, keep)
        for stage in (pack.name, f"{pack.name}.decisions")
    )
    try:
        return await cuts((first, second), epochs, partitions)
    except StoreUnavailable as error:
        raise Unavailable(f"Redis does not answer: {error}") from error
    finally:
        await redis.aclose()


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


def row(books: Books) -> tuple[str, ...]:
    values = msgspec.structs.asdict(books) | {"gone": books.answers_gone}
    return tuple(f"{values[name]:,}" for name in COLUMNS)
