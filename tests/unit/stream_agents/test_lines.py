"""Records to events: one a line, whatever the lines of the records beside it hold."""

from __future__ import annotations

import msgspec
import pytest

from producer.records import Record
from stream_agents.lines import read_lines
from stream_agents.stage import Place


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


def test_a_poisoned_line_is_dead_and_the_others_keep_their_places() -> None:
    records = [Record(2, 7, 0, one(1) + b"\n" + one(2) + b"\n" + one(3))]

    lines = read_lines(records, DECODER, [Place(2, 7, 1)])

    assert [event.number for event in lines.events] == [1, 3]
    assert {lines.place(slot).text: dead.error for slot, dead in lines.dead.items()} == {
        "2-7-1": "Poison"
    }


def test_no_records_are_no_lines() -> None:
    assert read() == ([], [])
