"""How commands print what they were told: a table to read, or JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from producer.options import Quiet
from producer.printing import Output, plain, say

__all__ = ["Output", "console", "plain", "print_json", "print_table", "say"]

PIPED_WIDTH = 140
"""Of what is printed into a file or a pipe, unless COLUMNS says another."""

OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How to print.")]
QuietOption = Quiet


def console() -> Console:
    """Standard output; plain where it is no terminal, and with NO_COLOR."""
    told = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if told else PIPED_WIDTH)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    """Rows of plain text: what stands in them is nobody's markup, and steers no terminal."""
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")  # whole: an id that is cut cannot be asked for
    for row in rows:
        table.add_row(*(Text(plain(cell)) if isinstance(cell, str) else cell for cell in row))
    console().print(table)


def print_json(told: Any) -> None:  # whatever the API has answered
    """One line in ASCII: what a client has sent cannot steer a terminal."""
    print(json.dumps(told))
