"""How events become records; what needs a broker is tested with one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidEvent
from producer.partitioning import partition_of
from producer.publisher import (
    BYTES_PER_RECORD,
    EVENTS_PER_RECORD,
    OutRecord,
    records_of,
)

EVENTS = st.lists(
    st.tuples(
        st.just("id"), st.sampled_from(["a", "b", "c"]), st.sampled_from([b"{}", b"x" * 90_000])
    ),
    max_size=450,
)


@given(events=EVENTS, partitions=st.integers(1, 5))
def test_nothing_is_lost_or_reordered_within_a_partition(
    events: list[tuple[str, str, bytes]], partitions: int
) -> None:
    records = records_of("access", events, partitions)

    for partition in range(partitions):
        lines = [
            line for _, entity, line in events if partition_of(entity, partitions) == partition
        ]
        sent = [record.value for record in records if record.partition == partition]
        assert b"\n".join(sent) == b"\n".join(lines)
    assert all(len(record.value) <= BYTES_PER_RECORD for record in records)
    assert all(record.value.count(b"\n") < EVENTS_PER_RECORD for record in records)


def test_records_carry_what_their_outcomes_are_known_by() -> None:
    records = records_of(
        "access",
        [("1", "a", b"{}"), ("2", "b", b"{}")],
        5,
        batch="7f",
        reply="api-1",
        trace="t",
        first_part=5,
    )

    assert [dict(record.headers)["part"] for record in records] == [b"5", b"6"]
    assert records[0] == OutRecord(
        "events.access",
        partition_of("a", 5),
        b"{}",
        (("batch", b"7f"), ("reply", b"api-1"), ("trace", b"t"), ("part", b"5")),
    )


def test_a_record_of_no_batch_has_no_part() -> None:
    [record] = records_of("access", [("1", "a", b"{}")], 4)

    assert record.headers == ()


def test_a_line_that_fits_no_record_is_refused() -> None:
    with pytest.raises(InvalidEvent, match=f"event big: must be <= {BYTES_PER_RECORD} bytes"):
        records_of("access", [("big", "a", b"x" * (BYTES_PER_RECORD + 1))], 4)
