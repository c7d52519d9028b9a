"""The pages of the reference: nothing that is declared is left out, and tables stay tables."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.metrics import ApiMetrics
from models.catalog import PACKS
from producer.exits import Exit
from scripts.manual import commands, metrics, reasons, settings
from scripts.manual.markdown import table
from scripts.manual.metrics import told_by
from scripts.manual.settings import Setting, settings_of
from scripts.stack.settings import ROOT
from stream_agents.metrics import StageMetrics

NAMING = ("README.md", "Dockerfile", "docker-compose.yml", "Makefile", "scripts/install.sh")


class Oven(BaseSettings):
    """Read from `OVEN_HEAT`, ...

    Args:
        heat: How hot, in degrees
            Celsius.
        door, lamp: Open, or on.
    """

    model_config = SettingsConfigDict(env_prefix="OVEN_")

    heat: int = Field(180, ge=0, le=300)
    door: str = ""


def test_a_setting_is_told_with_its_variable_default_bounds_and_text() -> None:
    assert list(settings_of(Oven)) == [
        Setting("OVEN_HEAT", "`180`", "whole number, >= 0, <= 300", "How hot, in degrees Celsius."),
        Setting("OVEN_DOOR", "none", "text", "Open, or on."),
    ]


def test_a_setting_that_nobody_describes_is_not_let_through() -> None:
    class Larger(Oven):
        shelves: int = 3

    with pytest.raises(KeyError, match="shelves"):
        list(settings_of(Larger))


def test_a_class_that_says_more_about_a_setting_is_heard() -> None:
    class Better(Oven):
        """Another.

        Args:
            door: Whether it is shut.
        """

    told = [one.text for one in settings_of(Better)]

    assert told == ["How hot, in degrees Celsius.", "Whether it is shut."]


@pytest.mark.parametrize("file", NAMING)
def test_every_variable_that_a_user_meets_is_on_the_page(file: str) -> None:
    named = set(re.findall(r"CENTINELA_[A-Z_]*[A-Z]", (ROOT / file).read_text()))

    assert {name for name in named if f"`{name}`" not in settings.page()} == set()


def test_every_metric_is_on_the_page_with_its_labels() -> None:
    registry = CollectorRegistry()
    Counter("centinela_things", "Things | by colour.", ["colour"], registry=registry)
    Gauge("centinela_level", "How full.", registry=registry)

    assert [(one.name, one.kind, list(one.labels)) for one in told_by(registry)] == [
        ("centinela_things_total", "counter", ["colour"]),
        ("centinela_level", "gauge", []),
    ]
    assert r"Things \| by colour." in metrics.rows(registry)


def test_the_metrics_page_has_what_the_processes_tell() -> None:
    page = metrics.page()
    told = [
        sample.name
        for made in (StageMetrics("access", "decision", 4), ApiMetrics(lambda: 0.0))
        for family in made.registry.collect()
        for sample in family.samples
    ]

    bare = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in told}
    missing = {name for name in bare if not name.startswith("process_")} - set(
        re.findall(r"`(centinela_\w+?)(?:_total)?`", page) + re.findall(r"`(centinela_\w+)`", page)
    )
    assert missing == set()
    assert "process_" not in page.replace("`process_*`", "")


def literal_codes() -> Iterator[str]:
    """The codes of reasons that are written out in the code."""
    for folder in ("models", "stream_agents"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Reason":
                    [code, *_] = node.args
                    if isinstance(code, ast.Constant):
                        yield str(code.value)


def test_every_reason_is_on_the_page() -> None:
    page = reasons.page()
    codes = {*literal_codes(), *(rule.name for pack in PACKS for rule in pack.rules)}
    codes |= {name for pack in PACKS for name in pack.features.names}

    assert {"score", "unusual_together", "test_client"} <= codes
    assert {code for code in codes if f"| `{code}` |" not in page} == set()


def test_every_command_and_exit_code_is_on_the_page() -> None:
    page = commands.page()

    assert all(f"## {command.name}\n" in page for command in commands.every_command())
    assert all(f"| {int(code)} | {code.name} |" in page for code in Exit)


def test_a_cell_stays_in_its_line_and_column() -> None:
    made = table(("a", "b"), [("x\ny  z", "p|q")])

    assert made == "| a | b |\n| --- | --- |\n| x y z | p\\|q |\n"


def test_every_variable_of_the_containers_is_described() -> None:
    lines = [line for line in settings.compose().splitlines() if line.startswith("| `")]

    assert len(lines) > 5
    assert [line for line in lines if line.endswith("|  |")] == []
