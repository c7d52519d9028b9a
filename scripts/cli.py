"""`centinela`: the command line. What goes wrong is one line on stderr, and an exit code."""

from __future__ import annotations

import os
import sys
import tomllib
import traceback
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from models.errors import DetectionError
from producer.exits import Exit, exit_of
from producer.replay import replay
from producer.simulate import simulate
from scripts import door
from scripts.audit import audit
from scripts.dead_letters import dead_letters
from scripts.decisions import decisions
from scripts.demo import demo
from scripts.doctor.command import doctor
from scripts.evaluation.app import evaluate
from scripts.explain import explain
from scripts.features import features
from scripts.lists import lists, policy
from scripts.output import Output, OutputOption, QuietOption, print_json, say
from scripts.stack.settings import ROOT, LocalStack
from scripts.status import status
from scripts.topics import topics
from scripts.training.app import train
from scripts.up import down as end_left
from scripts.up import up as start

ORDER = (
    *("up", "down", "demo", "status", "doctor"),
    *("replay", "simulate", "decisions", "explain", "features", "topics", "dead-letters", "audit"),
    *("lists", "policy", "train", "evaluate", "serve"),
)


class InOrder(TyperGroup):
    """Commands stand in the order in which they are met, not where they were declared."""

    def list_commands(self, ctx: Any) -> list[str]:  # Typer keeps the type to itself
        named = super().list_commands(ctx)
        return sorted(named, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


cli = typer.Typer(
    cls=InOrder,
    help="Watches streams of events and says what to do about each one, and why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # which would take `[alert]` in a help text for a colour
)
cli.add_typer(features, name="features")
cli.add_typer(topics, name="topics")
cli.add_typer(evaluate, name="evaluate")
cli.add_typer(lists, name="lists")
cli.add_typer(policy, name="policy")
cli.add_typer(dead_letters, name="dead-letters")
cli.add_typer(decisions, name="decisions")

LEFT_OUT = ("sklearn", "scipy")
LEFT_OUT_WHERE = "the image leaves out what models are made with: use a checkout, and make install"


def main() -> None:
    """The console command: errors are one line, never a traceback unless the fault is ours."""
    code = ending(lambda: cli(prog_name="centinela"))
    if code == Exit.READER_GONE:
        # Else Python would complain at its end that what is buffered cannot be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(code)


def ending(run: Callable[[], object]) -> int:
    """The exit code of a run of the command line; what went wrong is said."""
    try:
        try:
            run()
        finally:
            sys.stdout.flush()
    except SystemExit as end:
        # Typer turns a reader that has gone into a 1 of its own.
        gone = isinstance(end.__context__, BrokenPipeError)
        return Exit.READER_GONE if gone else int(end.code or 0)
    except BrokenPipeError:
        return Exit.READER_GONE
    except ValidationError as error:
        return _refused("; ".join(_settings(error)), Exit.USER_ERROR)
    except door.NotThere as error:
        return _refused(str(error), Exit.NOT_RIGHT)
    except DetectionError as error:
        return _refused(str(error), exit_of(error))
    except OSError as error:
        where = error.filename or "this machine"
        return _refused(f"{where}: {error.strerror or error}", Exit.USER_ERROR)
    except ModuleNotFoundError as error:
        if error.name not in LEFT_OUT:
            return _bug()
        return _refused(f"{error.name} is not installed here; {LEFT_OUT_WHERE}", Exit.USER_ERROR)
    except Exception:  # the rim of the process: a traceback, and a code that says so
        return _bug()
    return Exit.OK


def _bug() -> Exit:
    traceback.print_exc()
    return Exit.BUG


def tell_version(wanted: bool) -> None:
    if wanted:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        print(f"{project['name']} {project['version']}")
        raise typer.Exit


@cli.callback()
def centinela(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=tell_version, help="Which one this is."),
    ] = False,
) -> None: ...


@cli.command()
def up(quiet: QuietOption = False) -> None:
    """Start everything, show a first detection, stay until Ctrl-C.

    \b
    Examples:
      centinela up
      centinela up --quiet > first-detection.txt
      CENTINELA_API_PORT=8081 centinela up
    """
    start(LocalStack(), quiet=quiet)


@cli.command()
def down(output: OutputOption = Output.TEXT, quiet: QuietOption = False) -> None:
    """End what `up` has left running.

    \b
    Examples:
      centinela down
      centinela down -o json
    """
    ended = end_left(LocalStack())
    if output is Output.JSON:
        print_json({"ended": ended})
    elif ended:
        print(f"ended: {', '.join(ended)}")
    else:
        say("nothing was running", quiet)


cli.command()(demo)
cli.command()(replay)
cli.command()(simulate)
cli.command()(explain)
cli.command()(audit)
cli.command()(train)
cli.command()(status)
cli.command()(doctor)


@cli.command()
def serve() -> None:
    """Run the API alone, on the environment's Kafka and Redis.

    \b
    Examples:
      centinela serve
      CENTINELA_KAFKA=kafka:9092 CENTINELA_REDIS=redis://redis:6379/0 centinela serve
    """
    _become("api")


def _become(module: str, *arguments: str) -> NoReturn:
    """Run another module of ours in this very process: signals and exit code are its own."""
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])


def _settings(refused: ValidationError) -> list[str]:
    """`CENTINELA_API_PORT: must be a valid integer, got 'x'` of each of pydantic's errors."""
    lines = []
    for error in refused.errors():
        if error["type"] == "default_factory_not_called":  # follows from another error
            continue
        name = str(error["loc"][-1])
        shown = name if name.isupper() else f"CENTINELA_{name.upper()}"
        lines.append(f"{shown}: {error['msg']}, got {error['input']!r}")
    return lines


def _refused(line: str, code: Exit) -> Exit:
    say(f"centinela: {line}")
    return code


if __name__ == "__main__":
    main()
