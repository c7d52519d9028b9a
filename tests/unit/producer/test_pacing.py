"""Paces on a clock that only moves when it is told to."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from models.errors import InvalidSource
from models.packs.access.events import AccessEvent
from producer.delivery import Shift
from producer.instants import micros
from producer.pacing import ByRate, BySpeed, FlatOut, Pace, moved, newest, pace_of, target_of
from producer.rows import Row


def at(second: float) -> AccessEvent:
    return AccessEvent(f"2015-05-17T10:05:{second:06.3f}Z", "203.0.113.7", "GET", "/", 200)


def sent_at(pace: Pace, events: Iterable[AccessEvent]) -> list[float]:
    """When each event goes, if every wait is as long as it was asked for."""
    now, times = 1_000.0, []
    for event in events:
        now += max(0.0, pace.due_in(event, now))
        times.append(round(now - 1_000.0, 6))
    return times


def test_a_rate_spreads_events_evenly() -> None:
    assert sent_at(ByRate(4), [at(0)] * 5) == [0, 0.25, 0.5, 0.75, 1]


def test_a_rate_catches_up_after_a_stall() -> None:
    pace = ByRate(10)
    pace.due_in(at(0), 0.0)

    assert pace.due_in(at(0), 1.0) == pytest.approx(-0.9)


def test_a_speed_follows_event_time() -> None:
    assert sent_at(BySpeed(10), map(at, [5, 6, 16, 16])) == [0, 0.1, 1.1, 1.1]


def test_an_event_that_steps_back_just_goes() -> None:
    assert sent_at(BySpeed(1), map(at, [5, 9, 6, 10])) == [0, 4, 4, 5]


def test_flat_out_never_waits() -> None:
    assert sent_at(FlatOut(), map(at, [5, 9, 59])) == [0, 0, 0]


@pytest.mark.parametrize("speed", ["60x", "60", "60.0x"])
def test_a_speed_is_a_factor(speed: str) -> None:
    assert pace_of(None, speed) == BySpeed(60)


@pytest.mark.parametrize(
    ("rate", "speed", "message"),
    [
        (1, "2x", "must not be given both"),
        (0, None, "--rate: must be > 0 events a second, got 0"),
        (None, "fast", "--speed: must be a number above 0 such as 60x, got 'fast'"),
        (None, "0x", "--speed: must be a number above 0"),
    ],
)
def test_a_wrong_pace_is_refused(rate: float | None, speed: str | None, message: str) -> None:
    with pytest.raises(InvalidSource, match=message):
        pace_of(rate, speed)


def test_all_events_move_alike_and_the_last_is_at_the_time_given() -> None:
    events = [at(10), at(30), at(20)]
    rows = [Row("a", n, b"", event) for n, event in enumerate(events)]
    target = micros("2026-01-01T00:00:00Z")
    by = target - (newest([*rows, None]) or 0)

    times = [moved(event, by).occurred_at for event in events]

    assert times == [
        "2025-12-31T23:59:40.000Z",
        "2026-01-01T00:00:00.000Z",
        "2025-12-31T23:59:50.000Z",
    ]


def test_of_a_stream_the_first_event_is_at_the_time_given() -> None:
    shift = Shift(micros("2026-01-01T00:00:00Z"))

    assert [shift(at(second)).occurred_at for second in (10, 15)] == [
        "2026-01-01T00:00:00.000Z",
        "2026-01-01T00:00:05.000Z",
    ]


def test_a_shift_goes_to_now_a_time_or_nowhere() -> None:
    assert target_of("") is None
    assert target_of("2026-01-01") == micros("2026-01-01T00:00:00Z")
    assert (target_of("now") or 0) > micros("2025-01-01T00:00:00Z")
    with pytest.raises(InvalidSource, match="must be `now` or a time, got 'later'"):
        target_of("later")
