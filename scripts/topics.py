"""`centinela topics`: what flows."""

from __future__ import annotations

import itertools
import logging
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Annotated

import typer
from rich.text import Text

from producer.following import follow
from producer.options import Kafka
from producer.records import Record
from producer.settings import Connections
from scripts.output import Output, OutputOption, QuietOption, console, plain, say
from scripts.showcase import STYLES

topics = typer.Typer(help="What flows.", no_args_is_help=True)

ACTION = re.compile(r'"action":"([a-z]+)"')


@topics.command()
def watch(
    topic: Annotated[str, typer.Argument(help="events.access, decisions.access, dead-letter, ...")],
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="What is there already, too.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="End after so many.")
    ] = None,
    output: OutputOption = Output.TEXT,
    quiet: QuietOption = False,
    kafka: Kafka = "",
) -> None:
    """Print a topic's events as they come, one a line, until Ctrl-C.

    A terminal gets a colour for each action; a pipe, a file or `-o json` gets the lines as they
    stand in Kafka.

    \b
    Examples:
      centinela topics watch actions.access
      centinela topics watch actions.access --from-beginning | grep '"block"' | head
      centinela topics watch dead-letter --from-beginning --limit 1
    """
    logging.getLogger("centinela.kafka").setLevel(logging.CRITICAL)  # its faults are said below
    address = kafka or Connections().kafka
    flow = follow(address, topic, lambda line: say(line, quiet), from_beginning=from_beginning)
    with closing(flow):
        show(itertools.islice(lines_of(flow), limit), writer(output))


def lines_of(records: Iterable[Record]) -> Iterable[bytes]:
    for record in records:
        yield from filter(None, record.value.split(b"\n"))


def show(lines: Iterable[bytes], write: Callable[[bytes], None]) -> None:
    for line in lines:
        write(line)


def writer(output: Output) -> Callable[[bytes], None]:
    """What prints a line: coloured and harmless on a terminal, elsewhere byte for byte."""
    if not sys.stdout.isatty():
        return write_raw
    shown, is_coloured = console(), output is Output.TEXT

    def write(line: bytes) -> None:
        text = plain(line.decode(errors="backslashreplace"))
        shown.print(Text(text, style=style_of(text) if is_coloured else ""), soft_wrap=True)

    return write


def write_raw(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def style_of(line: str) -> str:
    found = ACTION.search(line)
    return STYLES.get(found[1], "") if found else ""
