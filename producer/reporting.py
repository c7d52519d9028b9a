"""How a command ends: talk on standard error, the account on standard output, an exit code."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import msgspec
import typer

from models.errors import DetectionError, InvalidSource
from producer.delivery import Account

MISSING = 1
USAGE = 2
INTERRUPTED = 130


class Output(StrEnum):
    TEXT = "text"
    JSON = "json"


def say(text: str, quiet: bool = False) -> None:
    """Talk, which is not data."""
    if not quiet:
        sys.stderr.write(text + "\n")


def tell(text: str) -> None:
    """Data."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def tell_json(value: object) -> None:
    tell(msgspec.json.encode(value).decode())


@contextmanager
def errors_in_one_line(command: str) -> Iterator[None]:
    """`replay: access.log: no such file`, and exit code 2; 1 where it is not the caller's fault."""
    logging.getLogger("centinela.kafka").setLevel(logging.CRITICAL)  # its faults come as errors
    try:
        yield
    except DetectionError as error:
        say(f"{command}: {error}")
        raise typer.Exit(USAGE if isinstance(error, InvalidSource) else MISSING) from error


def report(command: str, account: Account, output: Output, quiet: bool, resume: str = "") -> None:
    """Print the account of a replay and leave with its exit code.

    Args:
        resume: The command that goes on where this one was stopped.
    """
    for line in account.rejections.lines():
        say(line, quiet)
    ledger = account.ledger
    if ledger.missing and not (ledger.decided or ledger.duplicate or ledger.late or ledger.dead):
        say("no outcome has come: are the agents running?", quiet)
    stopped = account.interrupted or account.error
    if stopped and resume:
        say(f"go on with: {resume}", quiet)
    if account.error:
        say(f"{command}: {account.error}")
    if output is Output.JSON:
        tell_json({**ledger.totals(), "seconds": round(account.seconds, 3)})
    else:
        tell(str(ledger))
    if ledger.missing or account.error:
        raise typer.Exit(MISSING)
    if account.interrupted:
        raise typer.Exit(INTERRUPTED)
