"""Options that `replay` and `simulate` share."""

from __future__ import annotations

from typing import Annotated

import typer

from producer.printing import Output

Speed = Annotated[str | None, typer.Option(help="By event time, so many times faster: `60x`.")]
ShiftTo = Annotated[
    str, typer.Option(help="Move event times so that the last event is at this time, or `now`.")
]
Wait = Annotated[
    float, typer.Option(help="Seconds without any outcome after which the rest is missing.")
]
HowToPrint = Annotated[Output, typer.Option("-o", "--output", help="How to print the account.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print data and errors alone.")]
Kafka = Annotated[str, typer.Option(help="Kafka's address; else CENTINELA_KAFKA.")]
