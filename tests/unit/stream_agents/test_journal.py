"""What the agents log about records that somebody follows."""

from __future__ import annotations

import time

from structlog.testing import capture_logs

from producer.records import OutRecord, Record
from stream_agents.journal import tell
from stream_agents.stage import Folded


def test_a_record_that_is_dated_ahead_of_our_clock_took_no_time() -> None:
    """The machine that dates records may have another clock, and a clock may be put back."""
    ahead_ms = time.time_ns() // 1_000_000 + 600_000
    followed = Record(0, 7, ahead_ms, b"{}", (("trace", b"abc"),))
    answer = OutRecord(
        "decisions.access",
        0,
        b'{"outcome":"decided"}',
        (*followed.headers, ("source-offset", b"7")),
    )
    with capture_logs() as said:
        tell([followed], Folded([answer], {}))

    assert [line["latency_ms"] for line in said] == [0]
