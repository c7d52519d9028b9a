"""Labelled values of requests' parameters, from a CSV file."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from hashlib import sha256
from io import StringIO
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from feature_store.columns import Ints, Mask, TextColumn
from models.errors import InvalidSource
from models.text_training import taken

COLUMNS = ("payload", "attack_type", "label")
ORDINARY = "norm"


@dataclass(frozen=True, slots=True)
class Labelled:
    """Values and their kinds, `(n,)`.

    Args:
        requests: Each value as the only one of a request, encoded as a browser would.
        sha256: Of the file.
    """

    values: TextColumn
    requests: TextColumn
    kinds: NDArray[np.str_]
    sha256: str

    @property
    def attack(self) -> Mask:
        mask: Mask = self.kinds != ORDINARY
        return mask

    def taken(self, rows: Ints) -> Labelled:
        return Labelled(
            taken(self.values, rows), taken(self.requests, rows), self.kinds[rows], self.sha256
        )

    def __len__(self) -> int:
        return len(self.kinds)


def labelled_of(file: Path) -> Labelled:
    """Reads the columns `payload`, `attack_type` and `label` (`norm` or another word).

    Raises:
        InvalidSource: The file cannot be read, or has not these columns.
    """
    content = _content(file)
    rows = csv.DictReader(StringIO(content.decode(errors="replace"), newline=""))
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise InvalidSource(f"{file}: has no column {missing[0]!r}")
    pairs = [(row["payload"] or "", _kind(row)) for row in rows]
    return Labelled(
        TextColumn.of([value for value, _ in pairs]),
        TextColumn.of([f"/?value={quote(value, safe='')}" for value, _ in pairs]),
        np.array([kind for _, kind in pairs], np.str_),
        sha256(file.read_bytes()).hexdigest(),
    )


def _kind(row: dict[str, str]) -> str:
    return ORDINARY if row["label"] == ORDINARY else row["attack_type"]


def _content(file: Path) -> bytes:
    try:
        stored = file.read_bytes()
        return gzip.decompress(stored) if file.suffix == ".gz" else stored
    except OSError as error:
        raise InvalidSource(f"{file}: {error.strerror or error}") from error
