"""`centinela demo`: the whole pipeline in one process, on simulated traffic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from scripts.output import Output, OutputOption, QuietOption
from scripts.stack.ports import require_free_ports
from scripts.stack.settings import LocalStack
from scripts.stack.signals import StopSignals
from scripts.steps import Steps, began

EVENTS = 10_000
SEED = 7
RATE = 20.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be shown.

    Args:
        rate: Of the traffic after the day, events a second; 0 for none.
        once: End when the day is shown.
        watch: Print what is done about the traffic after the day.
    """

    events: int = EVENTS
    seed: int = SEED
    rate: float = RATE
    once: bool = False
    watch: bool = False
    as_json: bool = False


def demo(
    events: Annotated[int, typer.Option(min=1, help="Of the simulated day.")] = EVENTS,
    seed: Annotated[int, typer.Option(help="The same seed gives the same day.")] = SEED,
    rate: Annotated[
        float, typer.Option(min=0, help="Events a second after the day; 0 for none.")
    ] = RATE,
    once: Annotated[bool, typer.Option("--once", help="Show the day and end.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Print every event that meets more than allow.")
    ] = False,
    output: OutputOption = Output.TEXT,
    quiet: QuietOption = False,
) -> None:
    """Show what it finds in simulated traffic, without any server.

    Both agents and the API run in this process, on a log and a store in memory, until Ctrl-C: no
    Kafka, no Redis, no Docker.

    \b
    Examples:
      centinela demo
      centinela demo --watch --rate 100
      centinela demo --once -o json
    """
    as_json = output is Output.JSON
    settings = LocalStack().model_copy(update={"stack": "embedded"})
    steps = Steps(quiet=quiet or as_json)
    require_free_ports(settings)
    with StopSignals().listening():
        try:
            # What runs takes a second to load: no other command should wait for it.
            from scripts.demonstration import show

            show(settings, Wish(events, seed, rate, once, watch, as_json), steps, began(settings))
        except KeyboardInterrupt:
            steps.say("stopping")
