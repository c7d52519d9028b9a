"""The help of every command: there, with examples, and the examples can be typed."""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from scripts.cli import cli
from scripts.doctor.command import show
from scripts.doctor.finding import Finding, State
from scripts.manual.commands import Command, every_command
from scripts.stack.ports import free_ports
from scripts.stack.settings import ROOT

COMMANDS = every_command()
WORKING = [command for command in COMMANDS if not command.is_group]
PAGES = ("README.md", "CONTRIBUTING.md", "docs/**/*.md")
MADE = ROOT / "docs" / "reference" / "cli.md"
"""Out of the help itself."""
CALL = re.compile(r"(?:^|[|;&$(]) *(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?(centinela [a-z].*)")
ROOT_COMMAND: Any = get_command(cli)  # Typer keeps the click that it is made of to itself
ASSIGNMENT = re.compile(r"[A-Z_]+=")


def named(command: Command) -> str:
    return command.name


@pytest.mark.parametrize("command", COMMANDS, ids=named)
def test_each_command_says_what_it_is_for(command: Command) -> None:
    first = command.help.split("\n\n")[1].strip()

    assert len(first) > 10
    assert first.endswith(".")


@pytest.mark.parametrize("command", WORKING, ids=named)
def test_each_option_says_what_it_does(command: Command) -> None:
    options = command.help.rpartition("\nOptions:\n")[2]

    silent = [line for line in options.splitlines() if re.fullmatch(r"  -\S+( <.*>)?", line)]
    followed = [line for line in silent if not re.search(rf"{re.escape(line)}\n {{6,}}\S", options)]
    assert followed == []


@pytest.mark.parametrize("command", WORKING, ids=named)
def test_each_command_has_an_example_of_itself(command: Command) -> None:
    words = command.name.replace("{pack}", "access").split()

    assert command.examples
    assert all(words == call(example)[: len(words)] for example in command.examples)


@pytest.mark.parametrize(
    "example", [example for command in WORKING for example in command.examples]
)
def test_each_example_can_be_typed(example: str) -> None:
    parse(call(example))


def of_pages() -> Iterator[Any]:
    for page in sorted({file for pattern in PAGES for file in ROOT.glob(pattern)} - {MADE}):
        is_code = False
        whole = page.read_text().replace("\\\n", " ")
        for number, line in enumerate(whole.splitlines(), 1):
            is_code ^= line.startswith("```")
            if is_code and (found := CALL.search(line)) and "centinela COMMAND" not in line:
                yield pytest.param(found[1], id=f"{page.relative_to(ROOT)}:{number}")


@pytest.mark.parametrize("line", list(of_pages()))
def test_each_call_in_the_documentation_can_be_typed(line: str) -> None:
    parse(call(line))


@pytest.mark.parametrize(
    "line",
    [
        "centinela replay access.log --spede 60x",
        "centinela nonsense",
        "centinela decisions list --action allowed",
        "centinela dead-letters show",
    ],
)
def test_a_wrong_call_is_noticed(line: str) -> None:
    with pytest.raises(Exception, match=r"(?i)no such|missing|is not one of"):
        parse(call(line))


def call(line: str) -> list[str]:
    """The words of the call of `centinela` in a line of shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|>&;")
    lexer.whitespace_split = True
    words = list(lexer)
    start = next(n for n, word in enumerate(words) if word.endswith("centinela"))
    assert all(ASSIGNMENT.match(word) for word in words[:start]) or "|" in words[:start]
    ends = [n for n, word in enumerate(words) if n > start and set(word) <= set("|>&;")]
    typed = words[start + 1 : min(ends, default=len(words))]
    return ["centinela", *(word.strip("[]") for word in typed if word != "...")]


def parse(words: list[str]) -> None:
    """Raises what Typer says about a wrong call; runs nothing."""
    name: str | None = words[0]
    arguments, parent, command = words[1:], None, ROOT_COMMAND
    while True:
        try:
            parent = command.make_context(name, list(arguments), parent=parent)
        except typer.Exit:  # --help
            return
        if not isinstance(command, TyperGroup):
            return
        name, command, arguments = command.resolve_command(
            parent, [*parent._protected_args, *parent.args]
        )


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["centinela", "dead"], "dead-letters"),
        (["centinela", "dead-letters", "re"], "retry"),
        (["centinela", "decisions", "list", "--act"], "--action"),
    ],
)
def test_a_shell_completes_commands_and_options(typed: list[str], offered: str) -> None:
    asked = {
        "_CENTINELA_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(typed),
        "COMP_CWORD": str(len(typed) - 1),
    }
    told = centinela(asked)

    assert offered in told.split()


def test_the_shells_script_is_shown() -> None:
    known = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}

    assert "complete -o default -F _centinela_completion centinela" in centinela(
        known, "--show-completion", "bash"
    )


def test_what_is_piped_has_no_colours() -> None:
    port = {"CENTINELA_API_PORT": str(free_ports(1)[0])}
    shown = centinela(port, "status", "--help") + centinela(port, "status")

    assert "not ready" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(("no_color", "is_coloured"), [("", True), ("1", False)])
def test_a_terminal_gets_colours_unless_they_are_not_wanted(
    monkeypatch: pytest.MonkeyPatch, no_color: str, is_coloured: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", terminal)
        show(Finding("python", State.OK, "3.11.7"))
        terminal.flush()
        shown = os.read(ours, 1000).decode()
    os.close(ours)

    assert "3.11.7" in shown
    assert ("\x1b[32m" in shown) == is_coloured


def test_a_mistyped_option_is_told_without_a_traceback() -> None:
    ended = CliRunner().invoke(cli, ["status", "--outptu", "json"])

    assert ended.exit_code == 2
    assert "No such option: --outptu" in ended.stderr
    assert ended.stdout == ""


def centinela(environment: dict[str, str], *arguments: str) -> str:
    """What the command prints on both streams, as a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-m", "scripts.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    return ended.stdout
