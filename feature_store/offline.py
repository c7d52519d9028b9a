"""The offline store: history at rest in Parquet, and the fold that training takes over it.

    <folder>/<append>/<day of event time>.parquet

An append is staged beside the others and renamed into place whole, so that readers see all of it
or nothing.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_store.columns import Columns, Floats, Ints, TextColumn
from feature_store.definitions import FeatureSet
from feature_store.kernel import EventInputs, WindowKernel

MICROSECOND = timedelta(microseconds=1)
DAY_US = 86_400_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
POSITION = "_position"
STAGED = ".staged-"
REPLACED = ".replaced-"


class OfflineStore:
    """Appends of events, each under its own name, partitioned by day of event time.

    Args:
        folder: Where they lie; made when the first append comes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def append(self, name: str, event: Columns | pd.DataFrame) -> None:
        """Write events under a name; the same name again replaces what it held.

        Args:
            name: A file name, such as `events.access-3-0000120000`; read back in this order.
            event: Has the int64 column `at`, microseconds UTC.

        Raises:
            ValueError: The name cannot be a folder's, or a column is missing or named `_position`.
        """
        if not name or name.startswith(".") or "/" in name:
            raise ValueError(f"append: name must be a plain file name, got {name!r}")
        table = table_of(event)
        self.folder.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=STAGED, dir=self.folder))
        try:
            for day, part in by_day(table):
                pq.write_table(part, staged / f"{day}.parquet")
            self._put_in_place(staged, self.folder / name)
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    def read(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        columns: Sequence[str] | None = None,
    ) -> Columns:
        """Events with `since <= at < until`, by name of append, then in the order appended.

        Args:
            columns: Those wanted; None for all. `at` always comes.

        Raises:
            FileNotFoundError: The store holds no event of that time.
        """
        found = [part for name in self._names() for part in self._parts(name, since, until)]
        wanted = None if columns is None else [*dict.fromkeys(("at", *columns)), POSITION]
        tables = [self._ordered(paths, wanted, since, until) for paths in found]
        if not any(len(table) for table in tables):
            raise FileNotFoundError(f"{self.folder}: no event from {since} until {until}")
        return columns_of(pa.concat_tables(tables, promote_options="default"))

    def _names(self) -> list[str]:
        if not self.folder.exists():
            return []
        return sorted(entry.name for entry in self.folder.iterdir() if entry.name[0] != ".")

    def _parts(
        self, name: str, since: datetime | None, until: datetime | None
    ) -> Iterator[list[Path]]:
        """The files of an append that may hold events of that time, if any."""
        first = since.astimezone(UTC).date() if since else date.min
        last = until.astimezone(UTC).date() if until else date.max
        paths = [
            path
            for path in sorted((self.folder / name).glob("*.parquet"))
            if first <= date.fromisoformat(path.stem) <= last
        ]
        if paths:
            yield paths

    def _ordered(
        self,
        paths: Sequence[Path],
        columns: list[str] | None,
        since: datetime | None,
        until: datetime | None,
    ) -> pa.Table:
        table = pa.concat_tables([pq.read_table(path, columns=columns) for path in paths])
        at = table["at"].to_numpy()
        kept = np.ones(len(table), np.bool_)
        if since is not None:
            kept &= at >= (since - EPOCH) // MICROSECOND
        if until is not None:
            kept &= at < (until - EPOCH) // MICROSECOND
        return table.filter(pa.array(kept)).sort_by(POSITION).drop_columns([POSITION])

    def _put_in_place(self, staged: Path, target: Path) -> None:
        # A crash between the two renames leaves the append absent, never mixed: repeat it.
        replaced = target.with_name(REPLACED + target.name)
        shutil.rmtree(replaced, ignore_errors=True)
        if target.exists():
            os.rename(target, replaced)
        os.rename(staged, target)
        shutil.rmtree(replaced, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class History:
    """What a fold over history has come to.

    Args:
        states: Each entity's final state, by its name: seeds the online store.
        features: `(n_events, n_features)`; NaN is unknown, and all of a late event's.
    """

    states: dict[str, bytes]
    features: Floats


def folded(features: FeatureSet, event: Columns, chunk: int = 4096) -> History:
    """Fold events in the order given, which is offset order, with the kernel that serves online."""
    kernel = WindowKernel(features)
    names, entity = entities_of(getattr(event, features.key))
    inputs = kernel.inputs(event)
    states = [b""] * len(names)
    rows = np.empty((len(event), len(kernel.names)))
    for start in range(0, len(event), chunk):
        here = slice(start, start + chunk)
        touched, local = np.unique(entity[here], return_inverse=True)
        part = EventInputs(
            inputs.at[here], inputs.flags[here], inputs.values[here], inputs.hashes[here]
        )
        outcome = kernel.fold([states[e] for e in touched], local.astype(np.int32), part)
        rows[here] = outcome.features
        for e, state in zip(touched, outcome.states, strict=True):
            states[e] = state
    return History(dict(zip(names, states, strict=True)), rows)


def features_of(features: FeatureSet, event: Columns, chunk: int = 4096) -> Floats:
    """Every event's features as they were when it came, `(n_events, n_features)`."""
    return folded(features, event, chunk).features


def states_of(features: FeatureSet, event: Columns, chunk: int = 4096) -> dict[str, bytes]:
    """Every entity's final state, by its name."""
    return folded(features, event, chunk).states


def entities_of(key: Any) -> tuple[list[str], Ints]:  # a TextColumn, or an array of numbers
    """The entities' names, and for each event the index of its own."""
    encoded = array_of(key).dictionary_encode()
    names = [str(name) for name in encoded.dictionary.to_pylist()]
    return names, encoded.indices.to_numpy().astype(np.int64)


def table_of(event: Columns | pd.DataFrame) -> pa.Table:
    if isinstance(event, pd.DataFrame):
        table = pa.Table.from_pandas(event, preserve_index=False)
    else:
        table = pa.table({name: array_of(getattr(event, name)) for name in event})
    if "at" not in table.column_names or POSITION in table.column_names:
        raise ValueError(f"append: needs a column 'at' and none {POSITION!r}: {table.column_names}")
    return table.append_column(POSITION, pa.array(np.arange(len(table))))


def array_of(column: Any) -> Any:  # pyarrow ships no types
    if not isinstance(column, TextColumn):
        return pa.array(column)
    buffers = [None, pa.py_buffer(column.offsets), pa.py_buffer(column.buffer)]
    return pa.Array.from_buffers(pa.large_utf8(), len(column), buffers)


def columns_of(table: pa.Table) -> Columns:
    return Columns({name: column_of(table[name]) for name in table.column_names}, len(table))


def column_of(column: Any) -> Any:  # a TextColumn for strings, else an array
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column.to_numpy()
    return TextColumn.of(column.to_pylist())


def by_day(table: pa.Table) -> Iterator[tuple[date, pa.Table]]:
    days = pc.floor(pc.divide(table["at"].cast(pa.float64()), float(DAY_US))).to_numpy()
    for day in np.unique(days):
        part = table.filter(pa.array(days == day))
        yield (EPOCH + timedelta(days=int(day))).date(), part
