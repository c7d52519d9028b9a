"""Runs a notebook's text source and writes the notebook beside it, with what each cell showed.

    python -m scripts.notebook docs/notebooks/access.py

The source is a plain script in the percent format: `# %%` begins a cell of code, `# %% [markdown]`
one of text, in comments. It runs here, in one namespace, so that neither a kernel nor Jupyter is
needed to make the notebook; to open it, either is.
"""

from __future__ import annotations

import ast
import io
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARK = "# %%"
MARKDOWN = "# %% [markdown]"
PARAMETERS = '# %% tags=["parameters"]'
"""The cell of code after which a caller's own values replace those of the source."""

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

Output = dict[str, Any]  # as the notebook's format has it
Namespace = dict[str, Any]  # whatever the source makes


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the source.

    Args:
        mark: Its first line.
        text: Code, or Markdown without its comment signs.
    """

    mark: str
    text: str

    @property
    def is_code(self) -> bool:
        return self.mark != MARKDOWN


def cells_of(source: str) -> list[Cell]:
    """The cells of a text source; what stands before the first mark is none."""
    parts: list[list[str]] = []
    for line in source.splitlines():
        if line.startswith(MARK):
            parts.append([line])
        elif parts:
            parts[-1].append(line)
    return [_cell(mark, lines) for mark, *lines in parts]


def run(
    cells: Sequence[Cell], parameters: Mapping[str, object] | None = None
) -> list[list[Output]]:
    """What each cell shows, run in order; a cell's error is the caller's.

    Args:
        parameters: Instead of the values that the source has.
    """
    namespace: Namespace = {"__name__": "__main__"}
    shown = []
    for cell in cells:
        shown.append(_run(cell.text, namespace) if cell.is_code else [])
        if cell.mark == PARAMETERS:
            namespace.update(parameters or {})
    return shown


def notebook(cells: Sequence[Cell], shown: Sequence[Sequence[Output]]) -> dict[str, Any]:
    """The notebook as its file has it: format 4.5."""
    count, made = 0, []
    for number, (cell, outputs) in enumerate(zip(cells, shown, strict=True)):
        count += cell.is_code
        made.append(_as_written(cell, f"cell-{number:02}", count, outputs))
    return {"cells": made, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}


def _cell(mark: str, lines: list[str]) -> Cell:
    if mark == MARKDOWN:
        lines = [line.removeprefix("#").removeprefix(" ") for line in lines]
    return Cell(mark, "\n".join(lines).strip("\n"))


def _run(code: str, namespace: Namespace) -> list[Output]:
    tree = ast.parse(code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with redirect_stdout(printed):
        exec(compile(tree, "<cell>", "exec"), namespace)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), namespace)
    return [*_stream(printed.getvalue()), *_display(value)]


def _stream(text: str) -> list[Output]:
    if not text:
        return []
    return [{"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}]


def _display(value: object) -> list[Output]:
    if value is None:
        return []
    data = {"text/plain": repr(value).splitlines(keepends=True)}
    if html := getattr(value, "_repr_html_", None):
        data["text/html"] = html().splitlines(keepends=True)
    return [{"output_type": "display_data", "data": data, "metadata": {}}]


def _as_written(cell: Cell, name: str, count: int, outputs: Sequence[Output]) -> dict[str, Any]:
    written = {"id": name, "metadata": {}, "source": cell.text.splitlines(keepends=True)}
    if not cell.is_code:
        return {"cell_type": "markdown", **written}
    return {"cell_type": "code", "execution_count": count, "outputs": list(outputs), **written}


def main(arguments: Sequence[str]) -> None:
    for name in arguments:
        source = Path(name)
        cells = cells_of(source.read_text())
        made = json.dumps(notebook(cells, run(cells)), indent=1, ensure_ascii=False)
        source.with_suffix(".ipynb").write_text(made + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
