"""Attacks told from ordinary values, on values made for it."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from models.errors import InvalidSource
from models.packs.access.payloads import values
from scripts.evaluation.app import text
from scripts.evaluation.labelled import ORDINARY, Labelled, labelled_of
from scripts.evaluation.text import by_rules, figures_of
from scripts.output import Output


def written(file: Path, rows: list[tuple[str, str]]) -> Path:
    with file.open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(("payload", "length", "attack_type", "label"))
        for value, kind in rows:
            writer.writerow((value, len(value), kind or ORDINARY, "anom" if kind else ORDINARY))
    return file


@pytest.fixture
def simulated(tmp_path: Path) -> Path:
    """Values of two kinds of attack and ordinary ones."""
    rows = [(value, kind) for value, kind in values(11, 3_000) if kind in ("", "sql", "script")]
    return written(tmp_path / "values.csv", rows)


def test_the_model_is_judged_beside_the_rules_and_a_rival(
    simulated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text(train=simulated, folds=2, seeds=1, output=Output.JSON)

    report = json.loads(capsys.readouterr().out)
    assert set(report["values"]) == {ORDINARY, "sql", "script"}
    assert set(report["rivals"]) == {"rules", "logistic_regression"}
    assert report["text_model"]["f1"][0] > report["rivals"]["rules"]["f1"][0]
    assert report["text_model"]["f1"][0] > 0.9
    assert set(report["unseen_kind"]) == {"sql", "script"}
    assert report["shipped"]["recall"][0] > 0.9
    assert report["us_a_value"] > 0


def test_a_table_names_all_judges(simulated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text(train=simulated, test=simulated, folds=2, seeds=1)

    shown = capsys.readouterr().out
    for judge in ("text model", "rules", "logistic_regression", "as shipped", "on the test file"):
        assert judge in shown


def test_figures_count_a_value_once_a_seed(tmp_path: Path) -> None:
    rows = [("a", "sql"), ("b", "sql"), ("c", "script"), ("d", ""), ("e", "")]
    data = labelled_of(written(tmp_path / "values.csv", rows))
    first = np.array([True, False, True, True, False])
    second = np.array([True, True, True, False, False])

    figures = figures_of(data, [first, second])

    assert figures.precision == (0.83333, 0.16667)
    assert figures.recall == (0.83333, 0.16667)
    assert figures.f1 == (0.83333, 0.16667)
    assert figures.false_positives == [1, 0]
    assert figures.by_kind == {"script": 1.0, "sql": 0.75}


def test_rules_see_a_value_as_a_request_brings_it(tmp_path: Path) -> None:
    rows = [("1' or 1=1 & x", "sql"), ("a%27+b", ""), ("100% wool & silk", "")]
    data = labelled_of(written(tmp_path / "values.csv", rows))

    assert by_rules(data, data).tolist() == [True, False, False]


def texts_of(data: Labelled) -> list[str]:
    stored, offsets = data.values.buffer.tobytes(), data.values.offsets
    return [stored[a:b].decode() for a, b in zip(offsets, offsets[1:], strict=False)]


def test_packed_files_and_quoted_line_ends_are_read(tmp_path: Path) -> None:
    plain = written(tmp_path / "values.csv", [("a\r\nb,c", "sql"), ("ñ", "")])
    packed = tmp_path / "values.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))

    data = labelled_of(packed)

    assert texts_of(data) == ["a\r\nb,c", "ñ"]
    assert data.kinds.tolist() == ["sql", ORDINARY]


def test_a_file_without_labels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "values.csv").write_text("payload,length\na,1\n")

    with pytest.raises(InvalidSource, match=r"values\.csv: has no column 'attack_type'"):
        labelled_of(tmp_path / "values.csv")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSource, match=r"none\.csv: No such file"):
        labelled_of(tmp_path / "none.csv")
