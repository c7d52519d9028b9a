"""How a command ends: talk on standard error, the account on standard output, an exit code."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from models.errors import DetectionError
from producer.delivery import Account
from producer.exits import Exit, exit_of
from producer.printing import Output, say, tell, tell_json


@contextmanager
def errors_in_one_line(command: str) -> Iterator[None]:
    """`replay: access.log: no such file`, and the exit code of such an error."""
    logging.getLogger("centinela.kafka").setLevel(logging.CRITICAL)  # its faults come as errors
    try:
        yield
    except DetectionError as error:
        say(f"{command}: {error}")
        raise typer.Exit(exit_of(error)) from error


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
        raise typer.Exit(Exit.NOT_RIGHT)
    if account.interrupted:
        raise typer.Exit(Exit.INTERRUPTED)
