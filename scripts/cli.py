"""`centinela`: the command line. What goes wrong is one line on stderr and exit code 2."""

from __future__ import annotations

import os
import sys
from typing import Annotated, NoReturn
from urllib.parse import quote

import typer
from pydantic import ValidationError

from models.errors import DetectionError
from producer.replay import replay
from producer.simulate import simulate
from scripts import door
from scripts.evaluation.app import evaluate
from scripts.explain import explain
from scripts.lists import lists, policy
from scripts.output import Output, OutputOption, print_json, print_table
from scripts.stack.pids import PidFolder
from scripts.stack.settings import ROOT, LocalStack
from scripts.training.app import train
from scripts.up import down as end_left
from scripts.up import up as start

USER_ERROR = 2

cli = typer.Typer(
    help="Watches streams of events and says what to do about each one, and why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
features = typer.Typer(help="What the online store knows.", no_args_is_help=True)
topics = typer.Typer(help="What flows.", no_args_is_help=True)
cli.add_typer(features, name="features")
cli.add_typer(topics, name="topics")
cli.add_typer(evaluate, name="evaluate")
cli.add_typer(lists, name="lists")
cli.add_typer(policy, name="policy")


def main() -> None:
    """The console command: our own errors, and the machine's, are one line, never a traceback."""
    try:
        cli(prog_name="centinela")
    except ValidationError as error:
        _refuse("; ".join(map(_setting, error.errors())))
    except DetectionError as error:
        _refuse(str(error))
    except OSError as error:
        _refuse(f"{error.filename or 'this machine'}: {error.strerror or error}")


@cli.command()
def up() -> None:
    """Start everything on this machine, show a first detection, stay until Ctrl-C."""
    start(LocalStack())


@cli.command()
def down() -> None:
    """End what `up` has left running."""
    ended = end_left(LocalStack())
    print(f"ended: {', '.join(ended)}" if ended else "nothing was running")


cli.command()(replay)
cli.command()(simulate)
cli.command()(explain)
cli.command()(train)


@cli.command()
def status(output: OutputOption = Output.TABLE) -> None:
    """What of this stack runs, and whether the API can do its work."""
    settings = LocalStack()
    running = {entry.name: entry.pid for entry in PidFolder(settings.run).running()}
    ready = door.is_ready(settings.api)
    if output is Output.JSON:
        print_json({"api": settings.api, "ready": ready, "pids": running})
    else:
        rows = [(name, f"pid {pid}") for name, pid in sorted(running.items())]
        print_table(("process", ""), [*rows, (settings.api, "ready" if ready else "not ready")])
    if not ready:
        raise typer.Exit(1)


@cli.command()
def serve() -> None:
    """Run the API alone, against the Kafka and Redis of the environment."""
    _become("api")


@features.command()
def show(
    pack: Annotated[str, typer.Argument(help="The domain: access.")],
    entity: Annotated[str, typer.Argument(help="Whose features: for access, a client's address.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """An entity's features as of now, asked of the API."""
    url = f"{LocalStack().api}/v1/features/{quote(pack, safe='')}/{quote(entity)}"
    known = door.get(url).body
    if output is Output.JSON:
        print_json(known)
        return
    values = known["features"].items()
    rows = [(name, "unknown" if value is None else f"{value:g}") for name, value in values]
    print_table(("feature", "value"), rows)


@topics.command()
def watch(
    topic: Annotated[str, typer.Argument(help="events.access, decisions.access, dead-letter, ...")],
    from_beginning: Annotated[bool, typer.Option("--from-beginning")] = False,
) -> None:
    """Print a topic's events as they come, one a line, until Ctrl-C."""
    program = str(ROOT / "scripts" / "kafka-console-consumer")
    options = ["--bootstrap-server", LocalStack().kafka, "--topic", topic]
    os.execv(program, [program, *options, *(["--from-beginning"] if from_beginning else [])])


def _become(module: str, *arguments: str) -> NoReturn:
    """Run another module of ours in this very process: signals and exit code are its own."""
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])


def _setting(error: object) -> str:
    """`CENTINELA_API_PORT: must be a valid integer, got 'x'` of one of pydantic's errors."""
    assert isinstance(error, dict)
    name = str(error["loc"][-1])
    shown = name if name.isupper() else f"CENTINELA_{name.upper()}"
    return f"{shown}: {error['msg']}, got {error['input']!r}"


def _refuse(line: str) -> NoReturn:
    print(f"centinela: {line}", file=sys.stderr)
    sys.exit(USER_ERROR)


if __name__ == "__main__":
    main()
