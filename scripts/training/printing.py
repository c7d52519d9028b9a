"""What came of a training, on standard output: one JSON object, or tables to read."""

from __future__ import annotations

import sys

import msgspec
from rich.console import Console
from rich.table import Table

from models.candidates import Compared
from scripts.output import Output
from scripts.training.run import Trained

WIDTH = 120
"""Of a table that goes into a file."""


def print_trained(trained: Trained, output: Output) -> None:
    if output is Output.JSON:
        sys.stdout.write(msgspec.json.encode(trained).decode() + "\n")
        return
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    windows = ", ".join(f"{name} {count:,}" for name, count in trained.windows.items())
    left_out = f"{trained.unreadable:,} lines unreadable, {trained.skipped:,} events left out"
    console.print(f"{trained.source}: {windows}; {left_out}", soft_wrap=True)
    if trained.candidates:
        console.print(_candidates(trained.candidates))
    console.print(_figures(trained))
    console.print(f"{trained.manifest.version} in {trained.folder}", soft_wrap=True)


def _candidates(candidates: tuple[Compared, ...]) -> Table:
    table = Table("on the validation window", "average precision", "precision at 0.5 %")
    for name in ("agrees with the first", "fit s", "us an event"):
        table.add_column(name)
    for each in candidates:
        table.add_row(
            each.name,
            _share(each.average_precision),
            _share(each.precision),
            _share(each.agreement),
            f"{each.fit_s:.2f}",
            f"{each.us_an_event:.1f}",
        )
    return table


def _figures(trained: Trained) -> Table:
    columns = {name: figures for name, figures in trained.metrics.items()}
    if trained.untuned:
        columns = {f"{name}, before": each for name, each in trained.untuned.items()} | columns
    table = Table("", *columns)
    for figure in dict.fromkeys(name for each in columns.values() for name in each):
        table.add_row(figure, *(_share(each.get(figure)) for each in columns.values()))
    return table


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"
