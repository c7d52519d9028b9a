from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import InvalidSource
from producer.positions import Position, Watermark, load, save


def test_a_position_is_found_by_the_files_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    position = Position(str(tmp_path / "a.log"), 42, "f", moved_by=7)
    monkeypatch.chdir(tmp_path)

    save(position)

    assert load("a.log") == load(str(tmp_path / "a.log")) == position
    assert load("b.log") is None


def test_a_damaged_position_is_refused(tmp_path: Path) -> None:
    save(Position("/a.log", 1, "f"), tmp_path)
    [place] = tmp_path.glob("*.json")
    place.write_text("{")

    with pytest.raises(InvalidSource, match="cannot be read"):
        load("/a.log", tmp_path)


def test_the_watermark_waits_for_the_oldest_group() -> None:
    mark = Watermark(10)
    first, second = mark.opened(20, 2), mark.opened(30, 1)

    second.open -= 1
    assert mark.advance() == 10
    first.open -= 2
    assert mark.advance() == 30


def test_a_failed_record_stops_the_watermark_for_good() -> None:
    mark = Watermark()
    first, second = mark.opened(20, 1), mark.opened(30, 1)
    first.failed, first.open, second.open = True, 0, 0

    assert mark.advance() == 0
