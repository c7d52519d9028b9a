"""One bench as a command of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import typer


def command(run: Callable[[bool], Mapping[str, Any]], quick: str) -> None:
    """Runs a bench by what the command line says, and prints its figures as JSON.

    Args:
        run: Called with whether it is to be quick.
        quick: What is left out then, in words.
    """
    is_quick = typer.Option(False, "--quick/--no-quick", help=quick)
    to = typer.Option(None, "--json", help="Where to write the figures.")

    def main(quick: bool = is_quick, file: Path | None = to) -> None:
        found = json.dumps(run(quick), indent=1)
        print(found)
        if file:
            file.write_text(found)

    typer.run(main)
