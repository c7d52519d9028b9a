"""Files as rows: whatever is written how, the numbers, ids and reasons are right."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

import msgspec
import pyarrow
import pyarrow.parquet
import pytest
from xxhash import xxh3_128_hexdigest

from models.errors import InvalidSource
from models.packs.access.events import AccessEvent
from producer.mapping import parse_map
from producer.rows import LINE_LIMIT, Row
from producer.sources import Format, Source

LINE = '203.0.113.7 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 5 "-" "x"'
TOLD = AccessEvent(
    "2015-05-17T10:05:03.000Z", "203.0.113.7", "GET", "/a", 200, bytes=5, user_agent="x"
)
CSV = "occurred_at,client_ip,method,path,status,bytes,user_agent\n"
CSV_ROW = "2015-05-17T10:05:03Z,203.0.113.7,GET,/a,200,5,x\n"

Write = Callable[[str, str | bytes], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return written


def rows_of(path: str, map: str = "", format: Format = Format.AUTO, after: int = 0) -> list[Row]:
    source = Source(path, format, parse_map(map))
    return [row for row in source.rows(after) if row is not None]


def without_id(event: AccessEvent | None) -> AccessEvent | None:
    return event and msgspec.structs.replace(event, event_id="")


def record(**other: object) -> dict[str, object]:
    return {
        "occurred_at": "2015-05-17T10:05:03Z",
        "client_ip": "203.0.113.7",
        "method": "GET",
        "path": "/a",
        "status": 200,
        "bytes": 5,
        "user_agent": "x",
        **other,
    }


def test_lines_are_numbered_and_blank_ones_count(write: Write) -> None:
    rows = rows_of(write("a.log", f"{LINE}\n\n  \n{LINE}\nnonsense"))

    assert [(row.number, row.event is not None) for row in rows] == [
        (1, True),
        (4, True),
        (5, False),
    ]
    assert rows[2].reason == "not an access-log line: there is no [time]"


def test_an_event_id_is_the_files_name_the_line_and_its_bytes(write: Write) -> None:
    [row] = rows_of(write("a.log", f"{LINE}\r\n"))

    assert row.event
    assert row.event.event_id == xxh3_128_hexdigest(b"a.log\x001\x00" + LINE.encode())


def test_gzip_is_known_by_its_content(write: Write) -> None:
    [row] = rows_of(write("a.log", gzip.compress(f"{LINE}\n".encode())))

    assert without_id(row.event) == TOLD


def test_a_broken_gzip_gives_what_it_holds_and_then_says_so(write: Write) -> None:
    lines = "".join(LINE.replace("/a", f"/{n * 7919}") + "\n" for n in range(5_000))
    rows = Source(write("a.log.gz", gzip.compress(lines.encode())[:-2_000])).rows()

    read = [next(rows) for _ in range(1_000)]

    assert all(row and row.event for row in read)
    with pytest.raises(InvalidSource, match="cannot be read to its end"):
        list(rows)


def test_bytes_that_are_no_utf8_are_read_all_the_same(write: Write) -> None:
    [row] = rows_of(write("a.log", LINE.encode().replace(b"/a", b"/\xff\x00")))

    assert row.event
    assert row.event.path == "/\ufffd\0"


def test_a_byte_order_mark_is_no_part_of_the_first_line(write: Write) -> None:
    [row] = rows_of(write("a.log", b"\xef\xbb\xbf" + LINE.encode()))

    assert without_id(row.event) == TOLD


def test_a_line_without_end_is_cut_and_the_next_is_read(write: Write) -> None:
    first, second = rows_of(write("a.log", "x" * (3 * LINE_LIMIT) + f"\n{LINE}\n"))

    assert first.reason == f"line: must be <= {LINE_LIMIT} bytes"
    assert len(first.raw) == LINE_LIMIT + 1
    assert (second.number, without_id(second.event)) == (2, TOLD)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log", f"{LINE}\n"),
        ("csv", CSV + CSV_ROW),
        ("csv with other names", (CSV + CSV_ROW).replace("client_ip", "IP").replace("path", "Url")),
        ("semicolons", (CSV + CSV_ROW).replace(",", ";")),
        ("quoted csv", (CSV + CSV_ROW).replace("x", '"x"')),
        ("a request line", CSV.replace("method,path", "request") + CSV_ROW.replace(
            "GET,/a", "GET /a HTTP/1.1")),
        ("ndjson", json.dumps(record()) + "\n"),
        ("ndjson with other names", json.dumps(record(extra=[1])).replace("client_ip", "ip")),
        ("epoch and text for numbers", json.dumps(
            record(occurred_at=1431857103, status="200", bytes="5"))),
    ],
)  # fmt: skip
def test_the_format_is_seen_in_the_content(write: Write, name: str, content: str) -> None:
    [row] = rows_of(write("data", content))

    assert without_id(row.event) == TOLD


def test_parquet_gives_the_same_events(tmp_path: Path) -> None:
    path = str(tmp_path / "a.parquet")
    values = record(occurred_at=datetime(2015, 5, 17, 10, 5, 3, tzinfo=UTC), referrer=None)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([values, values]), path)

    rows = rows_of(path)

    assert [row.number for row in rows] == [1, 2]
    assert [without_id(row.event) for row in rows] == [TOLD, TOLD]
    assert len({row.event.event_id for row in rows if row.event}) == 2


def test_columns_are_found_under_the_names_given(write: Write) -> None:
    text = "when,who,verb,what,code\n2015-05-17 10:05:03,203.0.113.7,GET,/a,200\n"

    [row] = rows_of(write("a.csv", text), "time=when,ip=who,method=verb,path=what")

    assert row.event
    assert (row.event.client_ip, row.event.path) == ("203.0.113.7", "/a")


def test_a_given_event_id_is_kept(write: Write) -> None:
    [row] = rows_of(write("a.ndjson", json.dumps(record(event_id="mine", label=1))))

    assert row.event
    assert (row.event.event_id, row.event.label) == ("mine", 1)


def test_a_csv_row_may_span_lines(write: Write) -> None:
    rows = rows_of(write("a.csv", CSV + CSV_ROW.replace(",x", ',"x\ny"') + CSV_ROW))

    assert [(row.number, row.event and row.event.user_agent) for row in rows] == [
        (2, "x\ny"),
        (4, "x"),
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2015,203.0.113.7\n", "row: must have 7 columns, got 2"),
        (CSV_ROW.replace("200", "OK"), "status: must be an integer of 100 to 999, got 'OK'"),
        (CSV_ROW.replace("200", "99"), "status: must be an integer of 100 to 999, got '99'"),
        (CSV_ROW.replace("203.0.113.7", ""), "client_ip: must not be empty"),
        (CSV_ROW.replace("2015-05-17T", "x"), "occurred_at: must be a time that exists"),
        (CSV_ROW.replace(",5,", ",-5,"), "bytes: must be an integer of 0 to "),
    ],
)
def test_a_wrong_value_is_refused_with_its_line(write: Write, row: str, reason: str) -> None:
    _, refused = rows_of(write("a.csv", CSV + CSV_ROW + row))

    assert refused.number == 3
    assert reason in refused.reason


@pytest.mark.parametrize(
    "line", ["{", "[1]", "{}", '{"client_ip": "\\ud800"}', "{" * 5_000, '{"status": NaN}']
)
def test_wrong_json_is_refused(write: Write, line: str) -> None:
    good, refused = rows_of(write("a.ndjson", f"{json.dumps(record())}\n{line}\n"))

    assert good.event
    assert refused.event is None
    assert refused.reason


@pytest.mark.parametrize(
    ("map", "message"),
    [
        ("nonsense=x", "'nonsense' is no field; the fields are occurred_at (time, "),
        ("ip", "must be FIELD=COLUMN"),
        ("ip=nowhere", "no column 'nowhere' for client_ip; the columns are occurred_at, client_ip"),
    ],
)
def test_a_wrong_map_says_what_there_is(write: Write, map: str, message: str) -> None:
    path = write("a.csv", CSV + CSV_ROW)

    with pytest.raises(InvalidSource) as refused:
        rows_of(path, map, Format.CSV)

    assert message in str(refused.value)


def test_a_table_that_lacks_a_field_says_how_to_name_it(write: Write) -> None:
    with pytest.raises(InvalidSource, match="no column for status, try --map status=COLUMN"):
        rows_of(write("a.csv", CSV.replace("status", "z") + CSV_ROW))


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidSource, match="gone.log: no such file"):
        Source(str(tmp_path / "gone.log"))
    with pytest.raises(InvalidSource, match="is a directory"):
        Source(str(tmp_path))


def test_rows_begin_after_the_line_asked_for(write: Write) -> None:
    rows = rows_of(write("a.log", f"{LINE}\n" * 5), after=3)

    assert [row.number for row in rows] == [4, 5]


def test_a_stream_has_idle_moments_and_an_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    source = Source(str(pipe))
    assert source.is_stream
    rows = source.rows()

    def write_slowly() -> None:
        with pipe.open("w", buffering=1) as end:
            end.write(f"{LINE}\n")
            resumed.wait()
            end.write(f"{LINE}\n")

    resumed = Event()
    writer = Thread(target=write_slowly)
    writer.start()
    first = next(row for row in rows if row is not None)
    idle = next(rows)
    resumed.set()
    rest = [row for row in rows if row is not None]
    writer.join()

    assert (first.number, idle, [row.number for row in rest]) == (1, None, [2])
