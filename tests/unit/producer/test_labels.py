"""Files of labels: two ways to name an event, two formats, and what is refused."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from models.errors import InvalidSource
from producer.labels import labels_of


def written(folder: Path, text: str, name: str = "labels.csv") -> Path:
    file = folder / name
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    "text",
    [
        "event_id,label\na,1\nb,0\n",
        "label,who,event_id\n1,ana,a\n0,ana,b\n",
        '{"event_id": "a", "label": 1}\n\n{"event_id": "b", "label": 0, "path": "/"}\n',
    ],
    ids=["csv", "csv with other columns", "ndjson"],
)
def test_events_are_named_by_id(tmp_path: Path, text: str) -> None:
    assert labels_of(written(tmp_path, text)).by_id == {"a": 1, "b": 0}


@pytest.mark.parametrize(
    "text", ["line,label\n7,1\n9,0\n", '{"line":7,"label":1}\n{"line":9,"label":0}']
)
def test_events_are_named_by_line(tmp_path: Path, text: str) -> None:
    labels = labels_of(written(tmp_path, text))

    assert (labels.by_line, labels.by_id) == ({7: 1, 9: 0}, {})


def test_gzip_is_unpacked(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv.gz"
    file.write_bytes(gzip.compress(b"event_id,label\na,1\n"))

    assert labels_of(file).by_id == {"a": 1}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("event_id,label\na,1\nb,2\n", "row 2: label must be 0 or 1, got '2'"),
        ("event_id,label\na,\n", "row 1: label must be 0 or 1, got ''"),
        ("event_id,truth\na,1\n", "row 1: label must be 0 or 1, got None"),
        ("name,label\na,1\n", "row 1: must name an event_id or a line"),
        ("line,label\n-3,1\n", "row 1: must name an event_id or a line"),
        ("event_id,label\na,1\na,0\n", "row 2: a was labelled 1 before"),
        ("line,label\n7,1\n7,0\n", "row 2: line 7 was labelled 1 before"),
        ('{"event_id": "a"', "row 1: must be a JSON object"),
    ],
)
def test_a_broken_row_is_refused_by_its_number(tmp_path: Path, text: str, rule: str) -> None:
    file = written(tmp_path, text)

    with pytest.raises(InvalidSource, match=re.escape(f"{file}: {rule}")):
        labels_of(file)


def test_the_same_label_twice_is_no_fault(tmp_path: Path) -> None:
    assert labels_of(written(tmp_path, "event_id,label\na,1\na,1\n")).by_id == {"a": 1}


@pytest.mark.parametrize("name", ["absent.csv", "broken.csv.gz"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "broken.csv.gz").write_bytes(b"\x1f\x8b no gzip")

    with pytest.raises(InvalidSource, match=f"{name}: cannot be read"):
        labels_of(tmp_path / name)
