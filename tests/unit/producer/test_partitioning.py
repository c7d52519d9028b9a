from __future__ import annotations

import pytest

from producer.partitioning import murmur2, partition_of


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_that_of_the_java_client(key: bytes, hashed: int) -> None:
    """The vectors of `org.apache.kafka.common.utils.UtilsTest.testMurmur2`."""
    assert murmur2(key) == hashed


def test_a_partition_is_never_negative() -> None:
    assert {partition_of(f"203.0.113.{n}", 4) for n in range(256)} == {0, 1, 2, 3}
