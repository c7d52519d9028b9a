"""Dead letters: what the topic says of each, and the record that puts one back."""

from __future__ import annotations

import json

import msgspec
import pytest

from models.errors import InvalidSource
from producer.dead_letters import Letter, identified, letters_of, note, put_back
from producer.records import DEAD_LETTER, Headers, Record

EVENT = b'{"client_ip":"203.0.113.7","status":200}'


def record(offset: int, headers: dict[str, str], value: bytes = EVENT) -> Record:
    given: Headers = tuple((name, text.encode()) for name, text in headers.items())
    return Record(0, offset, 1_767_225_600_000, value, given)


def set_aside(offset: int, source: int) -> Record:
    place = {"topic": "events.access", "partition": "2", "offset": str(source), "line": "1"}
    return record(offset, {**place, "error": "InvalidEvent", "reason": "status"})


def noted(offset: int, letter: str, put_back_as: str) -> Record:
    return record(offset, {"retried": letter, "as": put_back_as}, b"")


def letter(raw: bytes = EVENT, partition: int | None = 2) -> Letter:
    return Letter(
        id="0:17",
        at_ms=0,
        topic="events.access",
        partition=partition,
        offset=57,
        line=1,
        error="InvalidEvent",
        reason="status",
        raw=raw,
    )


def test_a_letter_tells_where_its_line_stood() -> None:
    [of_topic, of_file] = letters_of(
        [set_aside(0, 57), record(1, {"topic": "a.log", "line": "12", "error": "InvalidEvent"})]
    )

    assert (of_topic.id, of_topic.source) == ("0:0", "events.access 2-57-1")
    assert (of_file.id, of_file.source) == ("0:1", "a.log:12")
    assert (of_topic.is_of_topic, of_file.is_of_topic) == (True, False)


def test_a_note_makes_its_letter_one_that_was_put_back() -> None:
    first, second = letters_of([set_aside(0, 57), set_aside(1, 58), noted(2, "0:0", "x 2-90")])

    assert (first.retried_as, second.retried_as) == ("x 2-90", None)


@pytest.mark.parametrize("note_first", [True, False])
def test_a_line_that_fails_again_remembers_how_often_it_failed(note_first: bool) -> None:
    """The agents may set it aside again before the note of its retry is written."""
    again, of_retry = set_aside(2, 90), noted(1, "0:0", "events.access 2-90")
    both = [of_retry, again] if note_first else [again, of_retry]

    letters = letters_of([set_aside(0, 57), *both, noted(3, "0:2", "events.access 2-95")])
    thrice = letters_of(
        [set_aside(0, 57), *both, noted(3, "0:2", "events.access 2-95"), set_aside(4, 95)]
    )

    assert [letter.failures for letter in letters] == [1, 2]
    assert [letter.failures for letter in thrice] == [1, 2, 3]


def test_a_record_without_headers_is_told_as_it_is() -> None:
    [found] = letters_of([record(3, {}, b"\xff")])

    assert (found.source, found.raw, found.is_of_topic) == ("", b"\xff", False)


def test_a_note_names_the_letter_and_the_place() -> None:
    written = note(letter(), "events.access 2-90")

    assert (written.topic, written.partition, written.value) == (DEAD_LETTER, 0, b"")
    assert letters_of([Record(0, 18, 0, b"", written.headers)]) == []


def test_a_line_goes_back_to_its_partition_with_the_batch_that_waits_for_it() -> None:
    sent = put_back(letter(), "batch-1", 4)

    assert (sent.topic, sent.partition) == ("events.access", 2)
    assert sent.headers == (("batch", b"batch-1"), ("part", b"4"))


def test_a_line_of_a_file_cannot_go_back() -> None:
    with pytest.raises(InvalidSource, match="0:17: is a line of"):
        put_back(letter(partition=None), "batch-1", 0)


@pytest.mark.parametrize("raw", [EVENT, EVENT.replace(b"{", b'{"event_id": "",')])
def test_a_line_without_an_id_is_given_that_of_its_first_try(raw: bytes) -> None:
    line = json.loads(identified(letter(raw)))

    assert line == {"event_id": "2-57-1", "client_ip": "203.0.113.7", "status": 200}


@pytest.mark.parametrize(
    "raw",
    [
        EVENT.replace(b"{", b'{"event_id":"web-1",'),
        b"\xff\xfe",
        b"not json",
        b"[1]",
        b"",
        EVENT.replace(b"{", b'{"event_id":null,'),
    ],
    ids=["named", "no UTF-8", "no JSON", "a list", "empty", "null"],
)
def test_any_other_line_goes_back_byte_for_byte(raw: bytes) -> None:
    assert identified(letter(raw)) == raw


def test_numbers_survive_the_id_bit_by_bit() -> None:
    raw = b'{"bytes":9007199254740993,"x":1.10,"path":"/\\u001b"}'

    line = identified(letter(raw))

    fields = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    assert bytes(fields["bytes"]) == b"9007199254740993"
    assert bytes(fields["x"]) == b"1.10"
    assert bytes(fields["path"]) == b'"/\\u001b"'
