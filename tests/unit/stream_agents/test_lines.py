"""Records to events: one a line, whatever the lines of the records beside it hold."""

from __future__ import annotations

import msgspec
import pytest

from models.packs.access.events import AccessEvent
from producer.records import Record
from stream_agents import lines as module
from stream_agents.lines import LETTER_BYTES, REASON_CHARS, read_lines
from stream_agents.stage import MOST_LINES, Place, lines_of


class Nested(msgspec.Struct, frozen=True):
    number: int
    inner: dict[str, int] = {}


DECODER = msgspec.json.Decoder(Nested)


def read(*values: bytes) -> tuple[list[tuple[int, str]], list[str]]:
    """Each event's number and place, and the places of the dead lines."""
    lines = read_lines(
        [Record(0, offset, 0, value) for offset, value in enumerate(values)], DECODER
    )
    slots = zip(lines.events, lines.slots.tolist(), strict=True)
    return [(event.number, lines.place(slot).text) for event, slot in slots], [
        lines.place(slot).text for slot in sorted(lines.dead)
    ]


def one(number: int) -> bytes:
    return msgspec.json.encode(Nested(number, {"a": 1}))


def test_each_line_has_its_place() -> None:
    assert read(one(1), one(2) + b"\n" + one(3), one(4) + b"\n") == (
        [(1, "0-0-0"), (2, "0-1-0"), (3, "0-1-1"), (4, "0-2-0")],
        [],
    )


@pytest.mark.parametrize(
    "beside",
    [
        b'\n{"number": 3}',
        b'{"number":\n3}',
        b'{"number":3,"inner":\n{"a":1}}',
        b'{"number":3,"inner":{"a":1}\n}',
        b'{"number":3,"inner":{"a":1}}\n',
        b'{"number":3}\r\n',
        b"\n",
        b"",
        b" ",
    ],
)
@pytest.mark.parametrize("is_before", [False, True])
def test_two_events_on_a_line_are_a_dead_line_whatever_is_beside_it(
    beside: bytes, is_before: bool
) -> None:
    two = one(1) + one(2)
    values = [beside, two, one(9)] if is_before else [two, one(9), beside]

    events, dead = read(*values)

    place = values.index(two)
    assert (9, f"0-{values.index(one(9))}-0") in events
    assert not {1, 2} & {number for number, _ in events}
    assert f"0-{place}-0" in dead


def test_a_line_nested_by_the_thousand_is_dead_and_no_fault_of_ours() -> None:
    events, dead = read(one(1), b'{"number":2,"more":' + b"[" * 5_000, one(3))

    assert (events, dead) == ([(1, "0-0-0"), (3, "0-2-0")], ["0-1-0"])


def test_a_poisoned_line_is_dead_and_the_others_keep_their_places() -> None:
    records = [Record(2, 7, 0, one(1) + b"\n" + one(2) + b"\n" + one(3))]

    lines = read_lines(records, DECODER, [Place(2, 7, 1)])

    assert [event.number for event in lines.events] == [1, 3]
    assert {lines.place(slot).text: dead.error for slot, dead in lines.dead.items()} == {
        "2-7-1": "Poison"
    }


def test_no_records_are_no_lines() -> None:
    assert read() == ([], [])


@pytest.mark.parametrize("line", [one(1), b"0", b"{}"], ids=["events", "numbers", "objects"])
def test_a_record_of_too_many_lines_is_one_dead_line(line: bytes) -> None:
    """Its outcomes would be larger than any record, and the agents would never get past it."""
    crowded, full = b"\n".join([line] * (MOST_LINES + 1)), b"\n".join([line] * MOST_LINES)
    records = [Record(0, offset, 0, value) for offset, value in enumerate([full, crowded, one(9)])]

    lines = read_lines(records, DECODER)

    assert [lines.place(slot).text for slot in lines.slots.tolist()][-1:] == ["0-2-0"]
    assert lines.starts.tolist() == [0, MOST_LINES, MOST_LINES + 1, MOST_LINES + 2]
    assert lines.dead[MOST_LINES].reason == "a record has at most 10000 lines, got 10001"


def test_a_letter_and_its_reason_are_cut_where_a_line_is_longer_than_any_record() -> None:
    """A compressed record may hold a line of any length, and the letter must fit its topic."""
    line = b'{"%s": 1}' % (b"x" * 2 * LETTER_BYTES)

    lines = read_lines([Record(0, 0, 0, line)], msgspec.json.Decoder(AccessEvent))
    [letter] = lines.dead_letters("events.access")

    assert letter.value == line[:LETTER_BYTES]
    assert len(dict(letter.headers)["reason"]) == REASON_CHARS


def test_a_record_is_cut_into_its_lines_once_however_many_of_them_are_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once for each dead line, a megabyte of them took the agents twenty seconds."""
    records = [Record(0, 0, 0, b"\n".join([one(1)] * 100)), Record(0, 1, 0, one(2))]
    lines = read_lines(records, DECODER)
    cut: list[bytes] = []

    def counted(value: bytes) -> list[bytes]:
        cut.append(value)
        return lines_of(value)

    monkeypatch.setattr(module, "lines_of", counted)

    buried = lines.bury({number: "bad" for number in range(101)})

    assert [dead.raw for dead in buried.dead.values()] == [one(1)] * 100 + [one(2)]
    assert len(cut) == 2
