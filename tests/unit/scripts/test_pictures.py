"""The terminal of the documentation's pictures shows what a terminal would."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.pictures.screen import Screen
from scripts.pictures.shell import Shot, svg, take
from scripts.stack.settings import ROOT, CannotStart


def shown(*written: str, width: int = 20) -> list[str]:
    screen = Screen(width)
    for piece in written:
        screen.feed(piece)
    return screen.text().split("\n")


def test_a_line_that_is_written_over_is_gone() -> None:
    assert shown("working 10%\rworking 99%\r\x1b[2Kdone\r\n") == ["done", ""]


def test_a_bar_of_two_rows_is_erased_from_its_first() -> None:
    assert shown("one\r\ntwo\r\x1b[2K\x1b[1A\x1b[2Kend") == ["end", ""]


def test_a_longer_line_goes_on_in_the_next_row() -> None:
    assert shown("abcdefgh\r\ni", width=5) == ["abcde", "fgh", "i"]


def test_what_leaves_no_trace_leaves_none() -> None:
    assert shown("\x1b[?25l\x1b]0;title\x07a\tb\x1b[?25h") == ["a       b"]


def test_a_style_lasts_until_it_is_taken_back() -> None:
    screen = Screen(20)
    screen.feed("\x1b[1;31mred\x1b[0m plain")

    assert screen.lines() == ["\x1b[1;31mred\x1b[0m plain"]


def test_a_picture_holds_the_command_its_output_and_nothing_of_this_machine(
    tmp_path: Path,
) -> None:
    picture = tmp_path / "picture.svg"

    take(Shot("printf '\\033[31mblock\\033[0m\\n'; echo $PWD/api/app.py"), picture)

    drawn = picture.read_text()
    assert "block" in drawn
    assert ">api/app.py<" in drawn
    assert str(ROOT) not in drawn
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")


def test_a_picture_is_not_taken_of_what_did_not_come(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="did not show 'decided'"):
        take(Shot("echo nothing", shows="decided"), tmp_path / "picture.svg")


def test_a_command_that_stays_is_ended_when_its_picture_is_taken(tmp_path: Path) -> None:
    take(Shot("echo here; exec sleep 1000", shows="here"), tmp_path / "picture.svg")

    assert "here" in (tmp_path / "picture.svg").read_text()


def test_what_a_program_writes_is_no_markup_of_the_picture() -> None:
    assert "&lt;script&gt;" in svg("cat", ["<script>"])
