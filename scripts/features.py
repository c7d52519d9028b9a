"""`centinela features`: what the online store knows about an entity."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from scripts import door
from scripts.output import Output, OutputOption, print_json, print_table
from scripts.stack.settings import LocalStack

features = typer.Typer(help="What the online store knows.", no_args_is_help=True)


@features.command()
def show(
    pack: Annotated[str, typer.Argument(help="The domain: access.")],
    entity: Annotated[str, typer.Argument(help="Whose features: for access, a client's address.")],
    at: Annotated[
        str, typer.Option(help="As of this time (RFC 3339), or `latest`, its newest event's.")
    ] = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """An entity's features as of now, or of another time; asked of the API.

    Exit code 1 if the entity was never seen.

    \b
    Examples:
      centinela features show access 203.0.113.7
      centinela features show access 203.0.113.7 --at latest -o json
    """
    path = f"/v1/features/{quote(pack, safe='')}/{quote(entity)}"
    asked = f"?at={quote(at, safe='')}" if at else ""
    known = door.get(f"{LocalStack().api}{path}{asked}").body
    if output is Output.JSON:
        return print_json(known)
    values = known["features"].items()
    rows = [(name, "unknown" if value is None else f"{value:g}") for name, value in values]
    print_table((f"feature at {known['at']}", "value"), rows)
