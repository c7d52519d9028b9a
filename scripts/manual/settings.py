"""Every setting of every process, from the classes that read them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from api.settings import ApiSettings
from producer.settings import Connections
from scripts.manual.markdown import table
from scripts.stack.settings import ROOT, LocalStack
from stream_agents.settings import AgentSettings, AuditorSettings

READERS: Mapping[str, type[BaseSettings]] = {
    "all": Connections,
    "agents": AgentSettings,
    "auditor": AuditorSettings,
    "API": ApiSettings,
    "make up": LocalStack,
}

HEAD = """\
# Settings

Made from the settings classes by `python -m scripts.reference`. All settings come from the
environment. A value that cannot be meant ends the process with the variable's name and what is
wrong, before anything is started.

"""

COMPOSE = """
## Docker Compose

These are read by [docker-compose.yml](../../docker-compose.yml) itself:

"""

COMPOSE_WORDS = {
    "CENTINELA_IMAGE": "The image of our processes; built from the Dockerfile.",
    "CENTINELA_POSTGRES_PASSWORD": "PostgreSQL's password; it is published nowhere.",
    "CENTINELA_PROMETHEUS_PORT": "Port of this machine at which Prometheus is published.",
    "CENTINELA_GRAFANA_PORT": "Port of this machine at which Grafana is published.",
    "CENTINELA_API_HOST": "Address of this machine at which the API is published.",
}
"""What compose fills in itself; a test demands that each is told."""

SHELL = """
## Others

| variable | what |
| --- | --- |
| `NO_COLOR` | any value: no colours |
| `COLUMNS` | how wide tables are; a terminal tells its own, and 140 elsewhere |
| `PYTHON` | the Python that `make install` takes |
| `COMPOSE_PROJECT_NAME` | names the containers and volumes of `STACK=docker make up` |
"""

BOUNDS = {"gt": "> {}", "ge": ">= {}", "lt": "< {}", "le": "<= {}"}


@dataclass(frozen=True, slots=True)
class Setting:
    """A variable of the environment.

    Args:
        values: What it may be: its type, bounds or choices.
    """

    variable: str
    default: str
    values: str
    text: str


def page() -> str:
    settings: dict[str, Setting] = {}
    readers: dict[str, list[str]] = {}
    for reader, kind in READERS.items():
        for setting in settings_of(kind):
            settings.setdefault(setting.variable, setting)
            readers.setdefault(setting.variable, []).append(reader)
    rows = [
        (f"`{one.variable}`", one.default, one.values, read_by(readers[name]), one.text)
        for name, one in settings.items()
    ]
    columns = ("variable", "default", "values", "of", "what")
    return f"{HEAD}{table(columns, rows)}{COMPOSE}{compose()}{SHELL}"


def read_by(readers: list[str]) -> str:
    """Agents read all that all read, and the auditor all that agents do."""
    if "all" in readers:
        return "all"
    return ", ".join(one for one in readers if one != "auditor" or "agents" not in readers)


def settings_of(kind: type[BaseSettings]) -> Iterator[Setting]:
    """Raises KeyError for a field that the class does not describe."""
    text = {name: words for base in kind.__mro__[::-1] for name, words in described(base).items()}
    known: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        default = field.get_default(call_default_factory=True, validated_data=known)
        known[name] = default
        yield Setting(variable(kind, name, field), shown(default), values(field), text[name])


def described(kind: type) -> dict[str, str]:
    """The arguments of a class's docstring, each with its text on one line."""
    _, _, listed = (inspect.cleandoc(kind.__dict__.get("__doc__") or "")).partition("Args:\n")
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=    \w)", f"\n{listed}"):
        names, _, words = entry.strip().partition(": ")
        found |= dict.fromkeys(names.split(", "), " ".join(words.split()))
    return found


def variable(kind: type[BaseSettings], name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    return alias if isinstance(alias, str) else f"{kind.model_config['env_prefix']}{name.upper()}"


def shown(default: object) -> str:
    if isinstance(default, Path):
        default = default.relative_to(ROOT)
    if isinstance(default, bool):
        default = int(default)
    return "none" if default in (None, "") else f"`{default}`"


def values(field: FieldInfo) -> str:
    kind = field.annotation
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    limits = [
        words.format(f"{getattr(bound, name):g}")
        for bound in field.metadata
        for name, words in BOUNDS.items()
        if getattr(bound, name, None) is not None
    ]
    return ", ".join([NAMES[kind], *limits])


NAMES: Mapping[Any, str] = {
    str: "text",
    bool: "0 or 1",
    int: "whole number",
    float: "number",
    float | None: "number",
    Path: "folder",
    Path | None: "folder",
}


def compose() -> str:
    filled = re.findall(r"\$\{(\w+):-([^}]*)\}", (ROOT / "docker-compose.yml").read_text())
    rows = {name: (f"`{name}`", f"`{default}`", compose_words(name)) for name, default in filled}
    return table(("variable", "default", "what"), list(rows.values()))


def compose_words(name: str) -> str:
    found = re.fullmatch("CENTINELA_([A-Z]+)_(IMAGE|PORT)", name)
    if not found:
        return COMPOSE_WORDS.get(name, "")
    service = "the API" if found[1] == "API" else found[1].title()
    if found[2] == "IMAGE":
        return f"The image of {service}."
    return f"Port of this machine at which {service} is published."
