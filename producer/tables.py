"""CSV, NDJSON and Parquet as numbered rows."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from typing import BinaryIO

import msgspec

from models.errors import InvalidEvent, InvalidSource
from models.packs.access.events import AccessEvent
from producer.mapping import check_columns, event_of_row
from producer.rows import LINE_LIMIT, Line, Row, event_id_of, numbered_lines, too_long

_decode_object = msgspec.json.Decoder(dict[str, object]).decode
_BATCH_ROWS = 4_096


def csv_rows(file: BinaryIO, source: str, mapping: Mapping[str, str]) -> Iterator[Row]:
    """Rows of a table with a header; a row's number is that of its first line.

    Raises:
        InvalidSource: The header lacks a column that an event needs.
    """
    lines = numbered_lines(file)
    first = next(lines, None)
    if first is None:
        return
    delimiter = delimiter_of(_decoded(first))
    header = [name.strip() for name in next(csv.reader([_decoded(first)], delimiter=delimiter))]
    check_columns(source, header, mapping)
    for number, raw, cells in _records(lines, delimiter):
        if isinstance(cells, str):
            yield Row(source, number, raw, None, cells)
        elif len(cells) != len(header):
            reason = f"row: must have {len(header)} columns, got {len(cells)}"
            yield Row(source, number, raw, None, reason)
        else:
            yield _row(source, number, raw, dict(zip(header, cells, strict=True)), mapping)


def ndjson_rows(file: BinaryIO, source: str, mapping: Mapping[str, str]) -> Iterator[Row]:
    """Lines of JSON objects; keys that are no field of ours are passed over."""
    for number, raw, whole in numbered_lines(file):
        if not whole:
            yield too_long(source, number, raw)
            continue
        try:
            values = _decode_object(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            yield Row(source, number, raw, None, f"line: must be a JSON object ({error})")
            continue
        yield _row(source, number, raw, values, mapping)


def parquet_rows(path: str, source: str, mapping: Mapping[str, str]) -> Iterator[Row]:
    """Rows of a Parquet file, numbered from 1; a row's bytes are its values as JSON.

    Raises:
        InvalidSource: It is no Parquet file, or lacks a column that an event needs.
    """
    import pyarrow
    import pyarrow.parquet

    if path == "-":
        raise InvalidSource("stdin: Parquet is read from its end, so it must be a file")
    try:
        table = pyarrow.parquet.ParquetFile(path)
    except pyarrow.ArrowException as error:
        raise InvalidSource(f"{path}: is no Parquet file: {error}") from error
    check_columns(source, table.schema_arrow.names, mapping)
    number = 0
    for batch in table.iter_batches(batch_size=_BATCH_ROWS):
        for values in batch.to_pylist():
            number += 1
            raw = msgspec.json.encode(values, enc_hook=repr)
            yield _row(source, number, raw, values, mapping)


def delimiter_of(header: str) -> str:
    """What separates the columns of a table's first line."""
    return max(",;\t|", key=header.count)


def _records(lines: Iterator[Line], delimiter: str) -> Iterator[tuple[int, bytes, list[str] | str]]:
    """`(number, bytes, cells)`; a record may span lines. Text for cells says why there are none."""
    consumed: list[Line] = []

    def texts() -> Iterator[str]:
        for line in lines:
            consumed.append(line)
            yield _decoded(line) + "\n"

    reader = csv.reader(texts(), delimiter=delimiter)
    while True:
        consumed.clear()
        try:
            cells: list[str] | str = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            cells = f"row: {error}"
        raw = b"\n".join(line.raw for line in consumed)
        if len(raw) > LINE_LIMIT:
            cells = f"row: must be <= {LINE_LIMIT} bytes (is a quote left open?)"
        yield consumed[0].number, raw, cells


def _row(
    source: str,
    number: int,
    raw: bytes,
    values: Mapping[str, object],
    mapping: Mapping[str, str],
) -> Row:
    try:
        return Row(
            source, number, raw, _identified(event_of_row(values, mapping), source, number, raw)
        )
    except InvalidEvent as error:
        return Row(source, number, raw, None, str(error))


def _identified(event: AccessEvent, source: str, number: int, raw: bytes) -> AccessEvent:
    if event.event_id:
        return event
    return msgspec.structs.replace(event, event_id=event_id_of(source, number, raw))


def _decoded(line: Line) -> str:
    return line.raw.decode("utf-8", "replace")
