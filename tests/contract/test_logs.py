"""What every log under a worker promises, in memory and on a real Kafka through Faust."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from uuid import uuid4

import pytest

from models.errors import Unavailable
from producer.records import Headers, OutRecord, Record
from tests.contract.logs import InMemory, Transport, on_kafka
from tests.stacks import Stack


def out(
    transport: Transport, partition: int, values: Iterable[bytes], headers: Headers = ()
) -> list[OutRecord]:
    return [OutRecord(transport.topic, partition, value, headers) for value in values]


def numbered(count: int, first: int = 0) -> list[bytes]:
    return [b"%d" % number for number in range(first, first + count)]


def of(records: list[Record], partition: int) -> list[tuple[int, bytes]]:
    return [(record.offset, record.value) for record in records if record.partition == partition]


class Promises:
    async def test_what_is_emitted_the_broker_has(self, transport: Transport) -> None:
        await transport.log.emit(out(transport, 0, numbered(20)) + out(transport, 1, numbered(5)))

        assert transport.ends() == {0: 20, 1: 5}

    async def test_nothing_to_emit_is_no_record(self, transport: Transport) -> None:
        await transport.log.emit([])

        assert transport.ends() == {0: 0, 1: 0}

    async def test_each_partition_keeps_its_order(self, transport: Transport) -> None:
        await transport.log.emit(
            [
                record
                for pair in zip(
                    out(transport, 0, numbered(300)),
                    out(transport, 1, numbered(300, 1000)),
                    strict=True,
                )
                for record in pair
            ]
        )
        await transport.log.emit(out(transport, 0, numbered(300, 300)))

        records = await transport.read(900)
        assert of(records, 0) == list(enumerate(numbered(600)))
        assert of(records, 1) == list(enumerate(numbered(300, 1000)))

    async def test_headers_come_as_they_were_sent(self, transport: Transport) -> None:
        headers = (
            ("batch", b"b"),
            ("empty", b""),
            ("bytes", bytes(range(256))),
            ("batch", b"again"),
        )
        await transport.log.emit(
            out(transport, 0, [b"with"], headers) + out(transport, 0, [b"without"])
        )

        first, second = await transport.read(2)
        assert (first.headers, second.headers) == (headers, ())
        assert first.header("batch") == b"b"

    async def test_values_come_as_they_were_sent(self, transport: Transport) -> None:
        values = [b"", bytes(range(256)), b"\n\n", b"x" * 900_000]
        await transport.log.emit(out(transport, 1, values))

        assert [record.value for record in await transport.read(4)] == values

    async def test_a_record_has_the_time_of_its_arrival(self, transport: Transport) -> None:
        await transport.log.emit(out(transport, 0, [b"a"]))

        [record] = await transport.read(1)
        assert record.at_ms > 1_700_000_000_000

    @pytest.mark.parametrize("offset", [0, 1, 3])
    async def test_a_seek_reads_on_from_the_offset_given(
        self, transport: Transport, offset: int
    ) -> None:
        await transport.log.emit(out(transport, 0, numbered(5)) + out(transport, 1, numbered(5)))
        await transport.read(10)

        await transport.log.seek({0: offset})
        await transport.log.emit(out(transport, 1, [b"next"]))

        records = await transport.read(5 - offset + 1)
        assert of(records, 0) == list(enumerate(numbered(5)))[offset:]
        assert of(records, 1) == [(5, b"next")]

    async def test_a_seek_forward_leaves_out_what_is_in_between(self, transport: Transport) -> None:
        await transport.log.seek({0: 3})
        await transport.log.emit(out(transport, 0, numbered(5)))

        assert of(await transport.read(2), 0) == [(3, b"3"), (4, b"4")]

    async def test_a_seek_where_nothing_is_read_changes_nothing(self, transport: Transport) -> None:
        await transport.log.seek({7: 3})
        await transport.log.emit(out(transport, 0, [b"a"]))

        assert of(await transport.read(1), 0) == [(0, b"a")]

    @pytest.mark.parametrize(
        ("asked", "found"), [(0, 0), (1, 1), (2, 2), (3, 3)], ids=["first", "middle", "last", "end"]
    )
    async def test_the_next_offset_is_that_of_a_record_or_the_end(
        self, transport: Transport, asked: int, found: int
    ) -> None:
        await transport.log.emit(out(transport, 0, numbered(3)))

        assert await transport.log.next_offset(0, asked) == found

    async def test_the_next_offset_leaps_over_what_is_gone(self, transport: Transport) -> None:
        await transport.log.emit(out(transport, 0, numbered(5)))
        transport.delete_before(0, 3)

        assert [await transport.log.next_offset(0, asked) for asked in (0, 2, 3, 4, 5)] == [
            3,
            3,
            3,
            4,
            5,
        ]

    async def test_a_seek_to_what_is_gone_reads_on_behind_it(self, transport: Transport) -> None:
        await transport.log.emit(out(transport, 0, numbered(5)))
        await transport.read(5)
        transport.delete_before(0, 3)

        await transport.log.seek({0: 1})

        assert of(await transport.read(2), 0) == [(3, b"3"), (4, b"4")]


class TestInMemory(Promises):
    @pytest.fixture
    def transport(self) -> Transport:
        return InMemory()


class TestOnKafka(Promises):
    @pytest.fixture
    async def transport(self, stack: Stack) -> AsyncIterator[Transport]:
        async with on_kafka(stack.kafka) as transport:
            yield transport


async def test_reading_leaves_no_folder_behind(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async with on_kafka(stack.kafka):
        assert list(tmp_path.iterdir()) == []


async def test_an_emit_that_is_never_acknowledged_ends_as_unavailable(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.contract.logs.EMIT_WITHIN_S", 0.5)
    nowhere = OutRecord(f"none-{uuid4().hex}", 0, b"x")

    async with on_kafka(stack.kafka) as transport:
        with pytest.raises(Unavailable, match=r"no answer within 0\.5 s"):
            await transport.log.emit([nowhere])


async def test_a_crash_inside_of_faust_ends_the_run_with_its_reason(stack: Stack) -> None:
    reason = ValueError("no such broker")

    with pytest.raises(Unavailable) as ended:
        await crashed(stack.kafka, reason)

    assert ended.value.__cause__ is reason


async def crashed(kafka: str, reason: Exception) -> None:
    async with on_kafka(kafka) as transport:
        await transport.crash(reason)
        await transport.ended.wait()
