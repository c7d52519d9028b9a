"""What a run found, as lines on the terminal, JSON, and the table of docs/reliability.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from tests.faults.catalogue import GROUPS, Fault, Outcome

BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
TITLES = {
    "P": "Processes",
    "R": "Redis",
    "K": "Kafka",
    "T": "Time",
    "M": "Messages",
    "A": "The API",
    "L": "Load",
    "O": "Models",
}

Row = dict[str, Any]


def row_of(fault: Fault, outcome: Outcome, seconds: float) -> Row:
    """One fault's result, ready for JSON."""
    verdict = asdict(outcome.verdict) if outcome.verdict else None
    return {
        "id": fault.id,
        "title": fault.title,
        "passes": fault.passes,
        "applies": outcome.applies,
        "passed": outcome.passed,
        "times": outcome.times,
        "verdict": verdict,
        "recovery_s": [round(value, 2) for value in outcome.recovery] if outcome.recovery else None,
        "figures": outcome.figures,
        "complaints": outcome.complaints,
        "note": outcome.note,
        "seconds": round(seconds, 1),
    }


def line_of(row: Row) -> str:
    """One fault on the terminal."""
    if not row["applies"]:
        return f"{row['id']:<3} --    {row['title']}: {row['note']}"
    said = [f"{row['id']:<3} {'ok' if row['passed'] else 'FAIL':<5} {row['title']}"]
    said.append(f"{row['times']} times in {row['seconds']:.0f} s")
    if verdict := row["verdict"]:
        said.append(
            f"{verdict['events']} events, missing {verdict['missing']}, duplicates "
            f"{verdict['visible_duplicates']}, state errors {verdict['state_errors']}, "
            f"repeats {verdict['repeats']}"
        )
    if row["recovery_s"]:
        said.append("recovery {} s, worst {} s".format(*row["recovery_s"]))
    said += [f"{name} {_shown(value)}" for name, value in row["figures"].items()]
    text = "; ".join(said)
    wrong = [*row["complaints"], *(_wrong(row) if verdict else ())]
    return "\n".join([text, *(f"      {complaint}" for complaint in wrong)])


def _wrong(row: Row) -> Iterable[str]:
    verdict = row["verdict"]
    for name in ("lost", "wrong_answers", "dead_letter_errors"):
        if verdict[name]:
            yield f"{name}: {verdict[name]}"
    if not row["passed"]:
        yield from verdict["examples"]


def merged(file: Path, rows: Iterable[Row]) -> dict[str, Row]:
    """The rows of earlier runs in a file, those of this run in their place."""
    known: list[Row] = msgspec.json.decode(file.read_bytes()) if file.exists() else []
    by_id = {row["id"]: row for row in [*known, *rows]}
    return dict(sorted(by_id.items(), key=lambda named: (GROUPS.index(named[0][0]), named[0])))


def write_json(file: Path, rows: Mapping[str, Row]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(list(rows.values()))))


def write_page(file: Path, rows: Mapping[str, Row]) -> None:
    """Put the tables between the two marks of a page."""
    page = file.read_text()
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    file.write_text(f"{head}{BEGIN}\n\n{tables(rows)}\n{END}{tail}")


def tables(rows: Mapping[str, Row]) -> str:
    """A table for each group."""
    parts = []
    for group, title in TITLES.items():
        here = [row for row in rows.values() if row["id"][0] == group]
        if here:
            parts.append("\n".join([f"### {title}", "", *_table(here), *_notes(here), ""]))
    return "\n".join(parts)


def _table(rows: Iterable[Row]) -> Iterable[str]:
    yield (
        "| id | fault | passes when | times | events | missing | visible duplicates | state errors "
        "| repeats | recovery, median and worst | |"
    )
    yield "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |"
    for row in rows:
        yield f"| {' | '.join(_cells(row))} |"


def _cells(row: Row) -> list[str]:
    name = [row["id"], row["title"], row["passes"]]
    if not row["applies"]:
        return [*name, *[""] * 7, "not applicable"]
    verdict = row["verdict"] or {}
    shown = ("events", "missing", "visible_duplicates", "state_errors", "repeats")
    counts = [f"{verdict[key]:,}" if verdict else "" for key in shown]
    recovery = "{} s, {} s".format(*row["recovery_s"]) if row["recovery_s"] else ""
    return [*name, f"{row['times']:,}", *counts, recovery, "ok" if row["passed"] else "**missed**"]


def _notes(rows: Iterable[Row]) -> Iterable[str]:
    """What does not fit a column: other figures, notes, and what is wrong."""
    told = []
    for row in rows:
        figures = ", ".join(f"{name} {_shown(value)}" for name, value in row["figures"].items())
        said = [text for text in (figures, row["note"], *row["complaints"]) if text]
        if said:
            told.append(f"- {row['id']}: {'; '.join(said)}.")
    return ["", *told] if told else []


def _shown(value: float | str) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else f"{value}"
