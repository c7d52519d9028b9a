"""Figures and findings on standard output: one JSON object a line, or a table to read."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import msgspec
from rich.console import Console
from rich.table import Table

from scripts.evaluation.bots import Bots
from scripts.evaluation.figures import Spread
from scripts.evaluation.report import Report
from scripts.evaluation.text import Texts
from scripts.evaluation.who import Noted
from scripts.output import Output

COLUMNS = (
    *("background", "track", "slower", "addresses", "attackers found", "blocked"),
    *("clients blocked", "flagged", "requests to block", "events/s"),
)

WIDTH = 160
"""Of a table that goes into a file."""


def print_report(reports: Iterable[Report], output: Output) -> None:
    if output is Output.JSON:
        return print_json(reports)
    table = Table(*COLUMNS)
    for report in reports:
        table.add_row(*_row(report))
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)


def print_noted(clients: Iterable[Noted], output: Output) -> None:
    if output is Output.JSON:
        return print_json(clients)
    for each in clients:
        reasons = ", ".join(f"{code} {times}" for code, times in each.reasons.items())
        print(f"{each.worst} {each.client} from request {each.first} of {each.requests}: {reasons}")
        for sample in each.samples:
            print(f"    {sample}")


def print_bots(bots: Bots, output: Output) -> None:
    if output is Output.JSON:
        return print_json([bots])
    print(
        f"{bots.bots} bots among {bots.sessions} sessions, {bots.folds} folds, {bots.seeds} seeds"
    )
    for name, (mean, deviation) in (("AUC", bots.auc), ("F1", bots.f1)):
        print(f"{name:4} {mean:.3f} +- {deviation:.3f}")


def print_texts(texts: Texts, output: Output) -> None:
    if output is Output.JSON:
        return print_json([texts])
    judges = {"text model": texts.text_model, **texts.rivals}
    judges[f"{texts.shipped_version}, as shipped"] = texts.shipped
    if texts.test:
        judges["text model, on the test file"] = texts.test
    kinds = list(texts.text_model.by_kind)
    table = Table("", "precision", "recall", "F1", "false positives", *kinds)
    for name, judge in judges.items():
        spreads = [f"{mean:.4f} +- {sd:.4f}" for mean, sd in (judge.precision, judge.recall)]
        f1 = f"{judge.f1[0]:.5f} +- {judge.f1[1]:.5f}"
        wrong = ", ".join(map(str, judge.false_positives))
        by_kind = [f"{judge.by_kind.get(kind, 0.0):.4f}" for kind in kinds]
        table.add_row(name, *spreads, f1, wrong, *by_kind)
    unseen = [f"{texts.unseen_kind[kind]:.4f}" for kind in kinds]
    table.add_row("text model, kind unseen", "", "", "", "", *unseen)
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)
    print(f"{texts.us_a_value} us a value of {texts.bytes_a_value} bytes")
    print(f"never found: {', '.join(map(repr, texts.never_found)) or 'none'}")


def print_json(objects: Iterable[object]) -> None:
    for each in objects:
        sys.stdout.write(msgspec.json.encode(each).decode() + "\n")
        sys.stdout.flush()


def shown(spread: Spread) -> str:
    """Median, nine in ten, and all."""
    values = (spread.median, spread.p90, spread.max)
    return " / ".join("never" if value is None else f"{value:g}" for value in values)


def _row(report: Report) -> tuple[str, ...]:
    setting = report.setting
    return (
        setting.background,
        setting.track,
        f"x{setting.stretch}",
        str(setting.addresses),
        f"{report.attackers_found} of {report.attackers}",
        str(report.attackers_blocked),
        f"{report.clients_blocked} of {report.clients}",
        str(report.clients_flagged),
        shown(report.requests_to_block),
        f"{report.events_per_second:,}",
    )
