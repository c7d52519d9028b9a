"""Notebooks from text: how a source is read and run, and that ours works and is up to date."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from scripts.notebook import Cell, Output, cells_of, main, notebook, run

NOTEBOOKS = Path(__file__).resolve().parents[3] / "docs" / "notebooks"
SMALL = {"EVENTS": 3_000, "SEEDS": (5, 8), "EVENTS_A_SEED": 2_000}

SOURCE = '''"""Not a cell."""

# %% [markdown]
# # Title
#
# Text.

# %% tags=["parameters"]
n = 3

# %%
print("n is", n)
n * 2
'''


def shown_by(code: str) -> list[Output]:
    return run([Cell("# %%", code)])[0]


def test_a_source_is_cells_of_text_and_code() -> None:
    title, parameters, last = cells_of(SOURCE)

    assert (title.is_code, title.text) == (False, "# Title\n\nText.")
    assert (parameters.is_code, parameters.text) == (True, "n = 3")
    assert last.text == 'print("n is", n)\nn * 2'


def test_a_cell_shows_what_it_prints_and_what_its_last_line_is_worth() -> None:
    printed, worth = run(cells_of(SOURCE))[2]

    assert printed["text"] == ["n is 3\n"]
    assert worth["data"] == {"text/plain": ["6"]}


def test_a_callers_parameters_come_after_those_of_the_source() -> None:
    assert run(cells_of(SOURCE), {"n": 5})[2][1]["data"] == {"text/plain": ["10"]}


@pytest.mark.parametrize("code", ["n = 3", "None", "", "n = 3\nif n:\n    n"])
def test_a_cell_whose_last_line_is_worth_nothing_shows_nothing(code: str) -> None:
    assert shown_by(code) == []


def test_a_table_is_shown_as_html_too() -> None:
    [shown] = shown_by("import pandas as pd\npd.DataFrame({'a': [1]})")

    assert "".join(shown["data"]["text/html"]).startswith("<div>")


def test_an_error_in_a_cell_is_the_callers() -> None:
    with pytest.raises(ZeroDivisionError):
        shown_by("1 / 0")


def test_a_written_notebook_has_the_sources_cells_in_order(tmp_path: Path) -> None:
    source = tmp_path / "small.py"
    source.write_text(SOURCE)
    main([str(source)])
    written = json.loads((tmp_path / "small.ipynb").read_text())

    assert (written["nbformat"], written["nbformat_minor"]) == (4, 5)
    assert [cell["cell_type"] for cell in written["cells"]] == ["markdown", "code", "code"]
    assert [cell.get("execution_count") for cell in written["cells"]] == [None, 1, 2]
    assert "".join(written["cells"][2]["source"]) == 'print("n is", n)\nn * 2'


@cache
def access() -> dict[str, Any]:
    """Our notebook, run on little."""
    cells = cells_of((NOTEBOOKS / "access.py").read_text())
    return notebook(cells, run(cells, SMALL))


def shown_in_stages(made: dict[str, Any]) -> dict[str, int]:
    """Each stage's heading, and how many of its cells showed something."""
    shown: dict[str, int] = {}
    for cell in made["cells"]:
        if cell["cell_type"] == "markdown":
            headings = [line for line in cell["source"] if line.startswith("## ")]
            shown.update({heading[3:].strip(): 0 for heading in headings})
        elif shown:
            shown[list(shown)[-1]] += bool(cell["outputs"])
    return shown


def test_the_access_notebook_shows_every_stage_on_small_data() -> None:
    shown = shown_in_stages(access())

    assert list(shown) == [
        "Look at the data",
        "Clean",
        "Features",
        "Split",
        "Train",
        "Validate",
        "Export",
        "What not to do",
    ]
    assert all(shown.values())


def test_the_shuffled_split_promises_more_than_the_right_one_keeps() -> None:
    [table] = access()["cells"][-2]["outputs"]
    plain = "".join(table["data"]["text/plain"])

    assert mean_of(plain, "shuffled") > mean_of(plain, "right: by time")


def mean_of(table: str, way: str) -> float:
    """The last classifier's mean: the last but one number of its line."""
    line = [line for line in table.splitlines() if way in line][-1]
    return float(line.split()[-2])


def test_the_committed_notebook_is_the_sources_and_was_run() -> None:
    committed = json.loads((NOTEBOOKS / "access.ipynb").read_text())

    for mine, theirs in zip(access()["cells"], committed["cells"], strict=True):
        assert theirs["source"] == mine["source"]
        assert bool(theirs.get("outputs")) == bool(mine.get("outputs"))
