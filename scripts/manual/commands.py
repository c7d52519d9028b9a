"""Every command with its help, as it is typed and as the reference shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from typer.core import TyperGroup
from typer.main import get_command

from producer.exits import Exit
from scripts.cli import cli
from scripts.manual.markdown import table

WIDTH = 96

HEAD = """\
# Command line

Made from the commands by `python -m scripts.reference`; `centinela COMMAND --help` shows the same.

Data goes to standard output and talk to standard error, so that what a command finds can be piped.
`-o json` gives JSON, in ASCII; `--quiet` leaves data and errors. Colours are for terminals, and
`NO_COLOR=1` turns them off there too. Commands find the stack by the settings of the environment
([settings.md](settings.md)). `centinela --install-completion` teaches the shell to complete them.

## Exit codes

"""


@dataclass(frozen=True, slots=True)
class Command:
    """A command, or a group of them.

    Args:
        name: As it is typed: `centinela dead-letters retry`.
        help: What `--help` prints.
    """

    name: str
    help: str
    is_group: bool

    @property
    def examples(self) -> list[str]:
        """The lines below `Examples:`, up to the next blank one."""
        block = self.help.partition("\n  Examples:\n")[2].split("\n\n")[0]
        return [line.strip() for line in block.splitlines()]


def every_command() -> list[Command]:
    """The whole tree, a group before its commands."""
    return list(_commands("centinela", get_command(cli), None))


def _commands(name: str, command: Any, parent: Any) -> Iterator[Command]:
    # `Any`: Typer keeps the click that it is made of to itself.
    context = command.make_context(
        name, [], parent=parent, resilient_parsing=True, terminal_width=WIDTH
    )
    is_group = isinstance(command, TyperGroup)
    yield Command(context.command_path, command.get_help(context), is_group)
    if isinstance(command, TyperGroup):
        for each in command.list_commands(context):
            yield from _commands(each, command.get_command(context, each), context)


def page() -> str:
    codes = table(
        ("code", "name", "when"), [(str(int(code)), code.name, code.meaning) for code in Exit]
    )
    sections = [
        f"## {command.name}\n\n```text\n{command.help}\n```\n" for command in every_command()
    ]
    return f"{HEAD}{codes}\n{chr(10).join(sections)}"
