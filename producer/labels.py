"""Files of labels: which events people say were attacks, as CSV or NDJSON."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from models.dataset import Labels
from models.errors import InvalidSource

_LABEL = {"0": 0, "1": 1}


def labels_of(file: Path) -> Labels:
    """Labels by event id or by line, from the columns `event_id` or `line`, and `label`.

    Other columns are passed over, so that a file of labelled events is one of labels too.

    Raises:
        InvalidSource: The file cannot be read, a row names no event, a label is not 0 or 1, or an
            event is given both.
    """
    reading = _Reading(str(file))
    for number, row in _rows(file):
        reading.add(number, row)
    return Labels(reading.by_id, reading.by_line)


@dataclass(frozen=True, slots=True)
class _Reading:
    file: str
    by_id: dict[str, int] = field(default_factory=dict)
    by_line: dict[int, int] = field(default_factory=dict)

    def add(self, number: int, row: Mapping[str, object]) -> None:
        name, line = _text(row.get("event_id")), _text(row.get("line"))
        if (label := _LABEL.get(_text(row.get("label")))) is None:
            raise self._broken(number, f"label must be 0 or 1, got {row.get('label')!r}")
        if name:
            kept = self.by_id.setdefault(name, label)
        elif line.isdecimal():
            kept = self.by_line.setdefault(int(line), label)
        else:
            raise self._broken(number, "must name an event_id or a line")
        if kept != label:
            raise self._broken(number, f"{name or f'line {line}'} was labelled {kept} before")

    def _broken(self, number: int, rule: str) -> InvalidSource:
        return InvalidSource(f"{self.file}: row {number}: {rule}")


def _rows(file: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    text = _read(file)
    if text.lstrip().startswith("{"):
        return _ndjson_rows(file, text)
    return enumerate(csv.DictReader(io.StringIO(text)), 1)


def _ndjson_rows(file: Path, text: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    for number, line in enumerate(filter(str.strip, text.splitlines()), 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InvalidSource(f"{file}: row {number}: must be a JSON object: {error}") from error
        yield number, row if isinstance(row, dict) else {}


def _read(file: Path) -> str:
    try:
        raw = file.read_bytes()
        unpacked = gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidSource(f"{file}: cannot be read: {error}") from error
    return unpacked.decode("utf-8-sig", "replace")


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()
