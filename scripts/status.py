"""`centinela status`: what of this stack runs, and how far it is."""

from __future__ import annotations

import typer

from producer.exits import Exit
from scripts import door
from scripts.agents import AgentState, agents_of
from scripts.output import Output, OutputOption, print_json, print_table
from scripts.stack.pids import PidFolder
from scripts.stack.settings import LocalStack

OUTCOMES = ("decided", "duplicate", "late", "dead")


def status(output: OutputOption = Output.TEXT) -> None:
    """What runs, how far it is, and whether it is ready.

    The events are those since a log was first folded. Exit code 1 if the API is not ready.

    \b
    Examples:
      centinela status
      centinela status -o json
    """
    settings = LocalStack()
    running = {entry.name: entry.pid for entry in PidFolder(settings.run).running()}
    ready = door.is_ready(settings.api)
    agents = agents_of(settings)
    if output is Output.JSON:
        print_json(
            {
                "api": settings.api,
                "ready": ready,
                "pids": running,
                "agents": {agent.name: told(agent) for agent in agents},
            }
        )
    else:
        states = {agent.name: row(agent) for agent in agents}
        states["api"] = (f"ready, {settings.api}" if ready else "not ready",)
        names = [*running, *(name for name in states if name not in running)]
        rows = [(name, str(running.get(name, "")), *states.get(name, ("runs",))) for name in names]
        width = 4 + len(OUTCOMES)
        padded = [(*cells, *[""] * (width - len(cells))) for cells in rows]
        print_table(("process", "pid", "state", "lag", *OUTCOMES), padded)
    if not ready:
        raise typer.Exit(Exit.NOT_RIGHT)


def told(agent: AgentState) -> dict[str, object]:
    return {"state": agent.state, "lag": agent.lag, "events": dict(agent.events)}


def row(agent: AgentState) -> tuple[str, ...]:
    # An auditor follows no log.
    unknown = "" if agent.name == "auditor" else "unknown"
    lag = unknown if agent.lag is None else f"{agent.lag:,}"
    events = [f"{agent.events[name]:,}" if agent.events else "" for name in OUTCOMES]
    return (agent.state, lag, *events)
