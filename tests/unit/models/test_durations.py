"""Durations as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models.durations import duration, written


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", timedelta(seconds=90)),
        ("10m", timedelta(minutes=10)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
        ("1d12h", timedelta(days=1, hours=12)),
        (" 1h30m ", timedelta(minutes=90)),
    ],
)
def test_a_duration_is_read(text: str, length: timedelta) -> None:
    assert duration(text) == length


@pytest.mark.parametrize("text", ["", "2", "h", "0s", "-1h", "1.5h", "30m1h", "2 h", "forever"])
def test_what_is_no_duration_is_refused_as_it_was_written(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration such as 90s") as refused:
        duration(text)

    assert repr(text) in str(refused.value)


def test_a_duration_beyond_every_calendar_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 999999999 days"):
        duration("999999999d999999999h")


@pytest.mark.parametrize("text", ["90s", "10m", "2h", "7d", "1d12h", "1d1h1m1s"])
def test_what_is_written_is_read_again(text: str) -> None:
    assert duration(written(duration(text))) == duration(text)
