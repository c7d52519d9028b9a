"""Files and streams as numbered rows: each is an event, or the reason why it is none."""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from io import BufferedReader
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import BinaryIO, cast

from xxhash import xxh3_64_hexdigest

from models.errors import InvalidEvent, InvalidSource
from producer import tables
from producer.formats import parse_access_line
from producer.mapping import columns_of
from producer.rows import Line, Row, log_rows, numbered_lines

_IDLE_S = 0.1
_AHEAD = 10_000


class Format(StrEnum):
    """How a source is written; `auto` looks at the name and at the first lines."""

    AUTO = "auto"
    LOG = "log"
    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


class Source:
    """A file, plain or gzip, or standard input (`-`).

    Args:
        path: `-` is standard input.
        format: How it is written.
        mapping: Field to column, for tables; see `mapping.parse_map`.

    Raises:
        InvalidSource: There is no such file, or it is none that can be read.
    """

    def __init__(
        self, path: str, format: Format = Format.AUTO, mapping: Mapping[str, str] | None = None
    ) -> None:
        self.path = path
        self.name = "stdin" if path == "-" else os.path.basename(path)
        self.mapping = mapping or {}
        self._format = format
        self._file: BinaryIO | None = None
        self.is_stream, self.size = self._look()

    def rows(self, after: int = 0) -> Iterator[Row | None]:
        """Rows whose number is above `after`, blank lines left out, in order.

        A stream yields None when nothing has come for a moment, so that its reader can do more
        than wait.

        Raises:
            InvalidSource: The file turned out to be unreadable, by all that came before it.
        """
        rows = (row for row in self._all_rows() if row.number > after)
        return _with_idle_moments(rows) if self.is_stream else rows

    def position(self) -> int:
        """Bytes read so far, of `size`; for a progress bar."""
        try:
            return self._file.tell() if self._file else 0
        except (OSError, ValueError):
            return self.size

    def fingerprint(self) -> str:
        """Tells a rotated file from the one that had its name: a hash of the first line."""
        with self._opened() as file:
            return xxh3_64_hexdigest(next(numbered_lines(file), Line(0, b"", True)).raw)

    def _look(self) -> tuple[bool, int]:
        if self.path == "-":
            return True, 0
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            raise InvalidSource(f"{self.path}: no such file") from None
        except OSError as error:
            raise InvalidSource(f"{self.path}: {error.strerror}") from None
        if stat.S_ISDIR(found.st_mode):
            raise InvalidSource(f"{self.path}: is a directory, not a file")
        return not stat.S_ISREG(found.st_mode), found.st_size

    @contextmanager
    def _opened(self) -> Iterator[BufferedReader]:
        """The bytes, unpacked where they are gzip."""
        stdin = self.path == "-"
        try:
            # Not sys.stdin's own buffer: its lock, held by a thread that reads, hangs the exit.
            file = open(0 if stdin else self.path, "rb", closefd=not stdin)  # noqa: SIM115
        except OSError as error:
            raise InvalidSource(f"{self.path}: {error.strerror}") from None
        with file:
            self._file = file
            if file.peek(2)[:2] == b"\x1f\x8b":
                with gzip.GzipFile(fileobj=file) as unpacked:
                    yield cast(BufferedReader, unpacked)
            else:
                yield file

    def _all_rows(self) -> Iterator[Row]:
        with self._opened() as file:
            match self._format if self._format != Format.AUTO else self._detected(file):
                case Format.PARQUET:
                    rows = tables.parquet_rows(self.path, self.name, self.mapping)
                case Format.CSV:
                    rows = tables.csv_rows(file, self.name, self.mapping)
                case Format.NDJSON:
                    rows = tables.ndjson_rows(file, self.name, self.mapping)
                case _:
                    rows = log_rows(file, self.name)
            try:
                yield from rows
            except (EOFError, OSError, zlib.error) as error:
                raise InvalidSource(f"{self.path}: cannot be read to its end: {error}") from error

    def _detected(self, file: BufferedReader) -> Format:
        start = file.peek(8192)[:8192]
        if start.startswith(b"PAR1"):
            return Format.PARQUET
        lines = start.decode("utf-8-sig", "replace").splitlines()
        header = [name.strip(' "') for name in _split_any(lines[0])] if lines else []
        mapped = set(self.mapping.values()) & set(header)
        if len(columns_of(header, {})) + len(mapped) >= 2:
            return Format.CSV
        return next((kind for line in lines if (kind := _kind_of(line))), Format.LOG)


def _split_any(header: str) -> list[str]:
    return header.split(tables.delimiter_of(header))


def _kind_of(line: str) -> Format | None:
    if line.lstrip().startswith("{"):
        return Format.NDJSON
    try:
        parse_access_line(line)
    except InvalidEvent:
        return None
    return Format.LOG


def _with_idle_moments(rows: Iterator[Row]) -> Iterator[Row | None]:
    """Read in a thread of its own; None when nothing has come for a moment."""
    ahead: Queue[Row | Exception | None] = Queue(_AHEAD)
    stopped = Event()
    Thread(target=_read_ahead, args=(rows, ahead, stopped), daemon=True).start()
    try:
        while True:
            try:
                row = ahead.get(timeout=_IDLE_S)
            except Empty:
                yield None
                continue
            if row is None:
                return
            if isinstance(row, Exception):
                raise row
            yield row
    finally:
        stopped.set()


def _read_ahead(rows: Iterator[Row], ahead: Queue[Row | Exception | None], stopped: Event) -> None:
    def put(row: Row | Exception | None) -> None:
        while not stopped.is_set():
            try:
                return ahead.put(row, timeout=_IDLE_S)
            except Full:
                continue

    try:
        for row in rows:
            put(row)
            if stopped.is_set():
                return
        put(None)
    except Exception as error:  # the thread's rim: whatever it is, the reader raises it
        put(error)
