"""`centinela lists` and `centinela policy`: who is let through, who is not, and what is earned."""

from __future__ import annotations

import getpass
import tomllib
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
import typer

from models.durations import duration
from models.errors import InvalidEntry, InvalidPolicy, InvalidSource
from models.lists import canonical
from models.regime import policy_file
from scripts import door
from scripts.output import Output, OutputOption, print_json, print_table
from scripts.stack.settings import LocalStack

lists = typer.Typer(help="Who is always let through, and who never.", no_args_is_help=True)
policy = typer.Typer(help="Thresholds, actions and times to live.", no_args_is_help=True)

Pack = Annotated[str, typer.Argument(help="The domain: access.")]
Entry = Annotated[
    str, typer.Argument(help="An address, a range (203.0.113.0/24), or another entity's name.")
]
IsAllow = Annotated[bool | None, typer.Option("--allow/--deny", help="Which list.")]
COLUMNS = ("list", "entry", "until", "note", "author")


@lists.callback()
def of_pack(context: typer.Context, pack: Pack) -> None:
    context.obj = f"{LocalStack().api}/v1/lists/{quote(pack, safe='')}"


@lists.command()
def add(
    context: typer.Context,
    entry: Entry,
    is_allow: IsAllow = None,
    lasting: Annotated[
        str | None, typer.Option("--for", help="90s, 10m, 2h, 7d; for ever unless given.")
    ] = None,
    note: Annotated[str, typer.Option(help="Why; told to whoever meets the entry.")] = "",
    author: Annotated[str | None, typer.Option(help="Who wants it; you unless given.")] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Put an entry on a list; it is in force within a second.

    \b
    Examples:
      centinela lists access add --allow 203.0.113.7 --note "our own scanner"
      centinela lists access add --deny 203.0.113.0/24 --for 2h --note "abuse report 7"
    """
    new: dict[str, Any] = {"entry": canonical(entry), "note": note, "author": author or user()}
    if lasting is not None:
        new["ttl_s"] = seconds(lasting)
    changed = door.send("POST", f"{context.obj}/{one_of(is_allow)}", new).body
    if output is Output.JSON:
        return print_json(changed)
    until = changed["entry"]["until"]
    ends = f"until {until}" if until else "for ever"
    print(f"{changed['entry']['entry']} is on the {changed['list']} list {ends}")


@lists.command()
def remove(
    context: typer.Context,
    entry: Entry,
    is_allow: IsAllow = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Take an entry off a list; it is out of force within a second.

    Exit code 1 if it was not on it.

    \b
    Examples:
      centinela lists access remove --allow 203.0.113.7
    """
    name = quote(canonical(entry), safe="/")
    changed = door.send("DELETE", f"{context.obj}/{one_of(is_allow)}/{name}").body
    if output is Output.JSON:
        return print_json(changed)
    print(f"{changed['entry']['entry']} is off the {changed['list']} list")


@lists.command()
def show(
    context: typer.Context, is_allow: IsAllow = None, output: OutputOption = Output.TEXT
) -> None:
    """The entries of both lists, or of one.

    \b
    Examples:
      centinela lists access show
      centinela lists access show --deny -o json
    """
    wanted = ("allow", "deny") if is_allow is None else (one_of(is_allow),)
    told = [door.get(f"{context.obj}/{listed}").body for listed in wanted]
    if output is Output.JSON:
        return print_json({each["list"]: each["entries"] for each in told})
    rows = [(each["list"], entry) for each in told for entry in each["entries"]]
    print_table(
        COLUMNS,
        [
            (listed, entry["entry"], entry["until"] or "", entry["note"], entry["author"])
            for listed, entry in rows
        ],
    )


@policy.callback()
def of_policy(context: typer.Context, pack: Pack) -> None:
    context.obj = f"{LocalStack().api}/v1/policies/{quote(pack, safe='')}"


@policy.command("show")
def show_policy(context: typer.Context, output: OutputOption = Output.TEXT) -> None:
    """The policy in force.

    \b
    Examples:
      centinela policy access show
      centinela policy access show -o json
    """
    tell_policy(door.get(context.obj).body, output)


@policy.command("set")
def set_policy(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="TOML; a table in it replaces the pack's.")],
    output: OutputOption = Output.TEXT,
) -> None:
    """Change the policy; it is in force within a second.

    \b
    Examples:
      centinela policy access set stricter.toml
    """
    changes = msgspec.to_builtins(policy_file(read_toml(file)))
    tell_policy(door.send("PUT", context.obj, changes).body, output)


@policy.command("reset")
def reset_policy(context: typer.Context, output: OutputOption = Output.TEXT) -> None:
    """Go back to the pack's own policy.

    \b
    Examples:
      centinela policy access reset
    """
    tell_policy(door.send("DELETE", context.obj).body, output)


def tell_policy(told: Any, output: Output) -> None:
    if output is Output.JSON:
        return print_json(told)
    tables = {name: value for name, value in told["policy"].items() if isinstance(value, dict)}
    rows = [
        (f"{name}.{key}", f"{each}")
        for name, table in tables.items()
        for key, each in table.items()
    ]
    changed = set(told["changes"] or ())
    marked = [
        (key, each, "changed" if key.partition(".")[0] in changed else "") for key, each in rows
    ]
    single = [
        (name, str(told["policy"].get(name, "")), "changed" if name in changed else "")
        for name in ("holds", "fail_mode")
    ]
    print_table((told["version"], "", ""), [*marked, *single])


def read_toml(file: Path) -> Any:
    try:
        return tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidPolicy(f"{file}: must be TOML: {error}") from None


def one_of(is_allow: bool | None) -> str:
    if is_allow is None:
        raise InvalidEntry("entry: say which list: --allow or --deny")
    return "allow" if is_allow else "deny"


def seconds(lasting: str) -> int:
    try:
        return int(duration(lasting).total_seconds())
    except ValueError as error:
        raise InvalidSource(f"--for {error}") from None


def user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
