"""Dead letters on the command line: which a retry takes, and how one is told."""

from __future__ import annotations

import base64
import json

import msgspec
import pytest
from msgspec.structs import replace

from models.errors import InvalidSource
from scripts.letters import facts, open_letters, require_of_topic, row, told
from tests.unit.producer.test_dead_letters import letter


def test_all_leaves_out_what_was_put_back_what_keeps_failing_and_lines_of_files() -> None:
    fresh, twice = letter(), replace(letter(), failures=2)
    thrice = replace(letter(), failures=3)
    done, of_file = replace(letter(), retried_as="events.access 2-90"), letter(partition=None)

    chosen, left = open_letters([fresh, done, thrice, of_file, twice])

    assert chosen == [fresh, twice]
    assert sorted(left.values()) == [1, 1]
    assert any("failed 3 times" in why for why in left)


def test_a_line_of_a_file_is_refused_by_its_id_too() -> None:
    with pytest.raises(InvalidSource, match="mend the file and replay it"):
        require_of_topic(letter(partition=None))


@pytest.mark.parametrize(("raw", "text"), [(b"caf\xc3\xa9", "café"), (b"\xff", None)])
def test_programs_get_the_bytes_and_where_it_is_one_the_text(raw: bytes, text: str | None) -> None:
    shown = json.loads(msgspec.json.encode(told(letter(raw))))

    assert (shown["text"], shown["base64"]) == (text, base64.b64encode(raw).decode())


def test_a_row_says_that_a_letter_was_put_back() -> None:
    assert row(replace(letter(), failures=2))[3] == "2"
    assert row(replace(letter(), retried_as="x 2-1"))[3] == "1, retried"


def test_facts_that_are_not_known_are_left_out() -> None:
    assert "reason" not in facts(replace(letter(), reason=""))
    assert facts(replace(letter(), failures=2))["failed"] == "2 times"
