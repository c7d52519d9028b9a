from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidEvent
from producer.instants import epoch_micros, log_time, micros, of_datetime, rfc3339

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
AT = 1_431_857_103_000_000


@pytest.mark.parametrize(
    "text",
    [
        "17/May/2015:10:05:03 +0000",
        "17/may/2015:12:05:03 +0200",
        "2015-05-17T10:05:03Z",
        "2015-05-17T12:05:03.000+02:00",
        "2015-05-17 10:05:03",
        "2015-05-17 10:05:03 UTC",
        "1431857103",
        "1431857103.000",
        "1431857103000",
        "1431857103000000",
        "1431857103000000000",
    ],
)
def test_one_instant_however_it_is_written(text: str) -> None:
    assert micros(text) == AT


@pytest.mark.parametrize(
    "text", ["", "-", "yesterday", "32/May/2015:10:05:03 +0000", "2015-02-30", "١٤٣١٨٥٧١٠٣"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidEvent, match="occurred_at: must be a time that exists"):
        micros(text)


@pytest.mark.parametrize("at", [-(10**18), 10**18])
def test_a_time_that_no_calendar_holds_is_refused(at: int) -> None:
    with pytest.raises(InvalidEvent, match="years 1 to 9999"):
        rfc3339(at)


@given(st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(9998, 1, 1)))  # noqa: DTZ001
def test_text_and_microseconds_are_the_same_instant(moment: datetime) -> None:
    at = of_datetime(moment)

    assert micros(rfc3339(at)) == at
    assert datetime.fromisoformat(rfc3339(at)) == moment.replace(tzinfo=UTC)


@given(
    st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(9998, 1, 1)),  # noqa: DTZ001
    st.integers(-14 * 60, 14 * 60),
)
def test_log_time_keeps_the_instant(moment: datetime, minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    local = moment.replace(tzinfo=zone, microsecond=0)
    month = MONTHS[local.month - 1]

    told = log_time(f"{local:%d}/{month}/{local.year:04}:{local:%H:%M:%S %z}")

    assert datetime.fromisoformat(told) == local


def test_an_epoch_of_a_float_keeps_its_milliseconds() -> None:
    assert epoch_micros(1431857103.25) == AT + 250_000
