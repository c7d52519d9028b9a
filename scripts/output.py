"""How commands print what they were told: a table to read, or JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text


class Output(StrEnum):
    TABLE = "table"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How to print.")]


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows of plain text: what stands in them is nobody's markup."""
    table = Table(*columns)
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)


def print_json(told: Any) -> None:  # whatever the API has answered
    print(json.dumps(told))
