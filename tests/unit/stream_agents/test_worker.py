"""The loop on the log and store in memory: what a crash at each step costs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from feature_store.fence import Fence, Reply, StoreUnavailable, Turn, decode_fence
from models.errors import Unavailable
from producer.records import OutRecord
from stream_agents.memory import MemoryBroker, MemoryLog, MemoryStore
from stream_agents.metrics import StageMetrics
from stream_agents.stage import Folded, Memory, Stage
from stream_agents.worker import Limits, Worker
from tests.unit.stream_agents.counting import CountedChunk, CountingStage


class Crash(Exception):
    """The process is gone; nothing of it runs on."""


class FaultyStore(MemoryStore):
    """Fails the next exchange before or after its write took effect."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Exception | None = None
        self.after: Exception | None = None
        self.exchanges = 0

    async def exchange(self, turns: Sequence[Turn]) -> list[Reply]:
        self.exchanges += 1
        failure, self.before = self.before, None
        if failure:
            raise failure
        replies = await super().exchange(turns)
        failure, self.after = self.after, None
        if failure:
            raise failure
        return replies


class FaultyLog(MemoryLog):
    """Fails the next emit before or after the broker has the records."""

    before: Exception | None = None
    after: Exception | None = None

    async def emit(self, records: Sequence[OutRecord]) -> None:
        failure, self.before = self.before, None
        if failure:
            raise failure
        await super().emit(records)
        failure, self.after = self.after, None
        if failure:
            raise failure


class Bench:
    """One partitioned topic, one store, and as many workers as a test asks for."""

    def __init__(self, partitions: int = 1) -> None:
        self.broker = MemoryBroker(lambda: 0)
        self.broker.create("in", partitions)
        self.broker.create("out", partitions)
        self.store = FaultyStore()
        self.metrics = StageMetrics("test", "counting")

    def send(self, *values: str, partition: int = 0) -> None:
        for value in values:
            self.broker.produce("in", partition, value.encode())

    async def worker(
        self,
        *partitions: int,
        limits: Limits | None = None,
        breaks_decoding: bool = False,
        layout: str = "counts",
        stage: Stage | None = None,
        writer: str = "",
    ) -> tuple[Worker, FaultyLog]:
        transport = FaultyLog(self.broker, "in")
        stage = stage or CountingStage("out", breaks_decoding=breaks_decoding, layout=layout)
        epoch = self.broker.topics["in"].id
        worker = Worker(stage, self.store, transport, epoch, self.metrics, limits, writer)
        transport.assign(await worker.assigned(partitions or (0,)))
        return worker, transport

    def outcomes(self, partition: int = 0) -> list[str]:
        """What a reader sees who keeps the first record of each source offset."""
        first: dict[int, str] = {}
        for record in self.broker.topics["out"].partitions[partition]:
            first.setdefault(int(record.header("source-offset") or b"-1"), record.value.decode())
        return [first[offset] for offset in sorted(first)]

    def alarms(self, kind: str) -> float:
        return self.told("centinela_alarms_total", kind=kind) or 0.0

    def told(self, name: str, **labels: str) -> float | None:
        """One sample of the metrics; None where there is none."""
        own = {"pack": "test", "stage": "counting", **labels}
        return self.metrics.registry.get_sample_value(name, own)

    def emitted(self) -> int:
        return sum(map(len, self.broker.topics["out"].partitions))

    def fence(self, partition: int = 0) -> Fence:
        fence = decode_fence(self.store.fences[partition])
        assert fence is not None
        return fence


async def run(worker: Worker, transport: FaultyLog, most: int = 500) -> None:
    while records := transport.take(most):
        await worker.process(records)
    await worker.settle()


async def test_counts_go_on_across_chunks_and_workers() -> None:
    bench = Bench()
    bench.send("a\nb\na", "a")
    await run(*await bench.worker(), most=1)
    bench.send("b\na")

    await run(*await bench.worker())

    assert bench.outcomes() == ["a=1\nb=1\na=2", "a=3", "b=2\na=4"]
    assert bench.store.states == {(0, "a"): b"4", (0, "b"): b"2"}
    assert bench.fence().offset == 2
    assert bench.fence().decided == 6


Fault = Callable[[FaultyStore, FaultyLog], None]


def on_store(moment: str) -> Fault:
    return lambda store, _: setattr(store, moment, Crash())


def on_log(moment: str) -> Fault:
    return lambda _, transport: setattr(transport, moment, Crash())


@pytest.mark.parametrize(
    "fault",
    [on_store("before"), on_store("after"), on_log("before"), on_log("after")],
    ids=["before-commit", "after-commit", "before-emit", "after-emit"],
)
@pytest.mark.parametrize("chunk", [1, 2, 3])
async def test_a_crash_at_any_step_loses_nothing_and_counts_nothing_twice(
    fault: Fault, chunk: int
) -> None:
    bench = Bench()
    bench.send("a", "a\nb", "a", "b", "a")
    worker, transport = await bench.worker()
    await worker.process(transport.take(chunk))
    fault(bench.store, transport)
    with pytest.raises(Crash):
        await run(worker, transport, chunk)

    await run(*await bench.worker(), most=2)

    assert bench.outcomes() == ["a=1", "a=2\nb=1", "a=3", "b=2", "a=4"]
    assert bench.store.states == {(0, "a"): b"4", (0, "b"): b"2"}
    assert bench.fence().decided == 6


async def test_a_reply_lost_after_the_write_is_recognised() -> None:
    bench = Bench()
    bench.send("a", "a")
    worker, transport = await bench.worker()
    await worker.process(transport.take(1))
    bench.store.after = StoreUnavailable("reply lost")

    await run(worker, transport)

    assert bench.outcomes() == ["a=1", "a=2"]
    assert bench.emitted() == 2
    assert bench.fence().decided == 2


async def test_a_store_that_is_away_for_a_moment_costs_nothing() -> None:
    bench = Bench()
    bench.send("a", "a")
    worker, transport = await bench.worker()
    bench.store.before = StoreUnavailable("away")
    transport.after = Unavailable("ack lost")

    await run(worker, transport)

    assert bench.outcomes() == ["a=1", "a=2"]
    assert bench.fence().decided == 2
    assert worker.retries == 2


async def test_past_the_deadline_the_worker_gives_up_and_nothing_is_lost() -> None:
    bench = Bench()
    bench.send("a")
    worker, transport = await bench.worker(limits=Limits(deadline_s=0.0))
    bench.store.before = StoreUnavailable("away")

    with pytest.raises(StoreUnavailable, match="away"):
        await run(worker, transport)

    await run(*await bench.worker())
    assert bench.outcomes() == ["a=1"]


async def test_a_zombie_is_refused_and_reads_on_where_the_new_owner_is() -> None:
    bench = Bench()
    bench.send("a", "a", "a")
    zombie, its_log = await bench.worker()
    await zombie.process(its_log.take(1))
    await run(*await bench.worker())

    bench.send("a")
    await run(zombie, its_log)

    assert bench.outcomes() == ["a=1", "a=2", "a=3", "a=4"]
    assert bench.store.states == {(0, "a"): b"4"}
    assert bench.fence().decided == 4


class StageOfOtherPolicy(CountingStage):
    """Counts as the other does, but stores it in other words."""

    def fold(self, chunk: CountedChunk, memory: Memory) -> Folded:
        folded = super().fold(chunk, memory)
        changes = {
            partition: replace(change, states={e: b"0" + s for e, s in change.states.items()})
            for partition, change in folded.changes.items()
        }
        return replace(folded, changes=changes)


async def test_a_commit_of_another_that_leaves_the_same_fence_is_not_taken_for_ones_own() -> None:
    bench = Bench()
    zombie, zombie_log = await bench.worker(writer="zombie", stage=StageOfOtherPolicy("out"))
    owner, log = await bench.worker(writer="owner")
    bench.send("a")
    await zombie.process(zombie_log.take())

    await run(owner, log)
    await zombie.settle()

    assert bench.alarms("ownership") == 1
    assert bench.store.states == {(0, "a"): b"1"}


async def test_a_partition_that_leaves_while_its_copy_is_read_again_stays_away() -> None:
    bench = Bench(partitions=2)
    for partition in (0, 1):
        bench.send("a", "a", partition=partition)
    zombie, its_log = await bench.worker(0, 1)
    await zombie.process(its_log.take(1))
    await run(*await bench.worker(0, 1))

    class Leaving(FaultyStore):
        async def load(self, partition: int) -> tuple[bytes, bytes]:
            zombie.revoked([0, 1])
            return await bench.store.load(partition)

    store = Leaving()
    store.fences = bench.store.fences
    zombie._store = store
    await run(zombie, its_log)

    assert zombie.offsets == {}
    assert bench.fence(0).decided == bench.fence(1).decided == 2


async def test_another_writers_revision_voids_the_copy() -> None:
    bench = Bench()
    bench.send("a")
    worker, transport = await bench.worker()
    await run(worker, transport)
    bench.store.states[0, "a"] = b"100"
    fence = bench.fence()
    bench.store.fences[0] = fence.encoded().replace(b'"revision":0', b'"revision":1')

    bench.send("a")
    await run(worker, transport)

    assert bench.outcomes() == ["a=1", "a=101"]
    assert bench.fence().revision == 1


async def test_a_lost_partition_does_not_hold_up_the_others() -> None:
    bench = Bench(partitions=2)
    bench.send("a", partition=0)
    bench.send("b", partition=1)
    worker, transport = await bench.worker(0, 1)
    await run(worker, transport)
    thief, its_log = await bench.worker(0)
    bench.send("a", "a", partition=0)
    await run(thief, its_log)
    bench.send("b", partition=1)

    await run(worker, transport)

    assert bench.outcomes(0) == ["a=1", "a=2", "a=3"]
    assert bench.outcomes(1) == ["b=1", "b=2"]


async def test_a_partition_that_leaves_in_mid_chunk_is_not_written() -> None:
    bench = Bench()
    bench.send("a")
    worker, transport = await bench.worker()

    class Leaving(FaultyLog):
        async def emit(self, records: Sequence[OutRecord]) -> None:
            await super().emit(records)
            worker.revoked([0])

    worker._log = Leaving(bench.broker, "in")
    await worker.process(transport.take())
    await worker.settle()

    assert bench.store.fences == {}


async def test_a_copy_taken_again_in_mid_chunk_is_not_overwritten() -> None:
    bench = Bench()
    bench.send("a", "a")
    worker, transport = await bench.worker()

    class Rebalanced(FaultyLog):
        async def emit(self, records: Sequence[OutRecord]) -> None:
            worker.revoked([0])
            await run(*await bench.worker())
            await worker.assigned([0])

    worker._log = Rebalanced(bench.broker, "in")
    await worker.process(transport.take(1))
    await worker.settle()

    assert bench.fence().offset == 1
    assert bench.store.states == {(0, "a"): b"2"}


@pytest.mark.parametrize("comes_back", [True, False])
async def test_a_partition_that_leaves_while_the_broker_is_asked_is_not_folded(
    comes_back: bool,
) -> None:
    bench = Bench()
    bench.send("a", "a", "a", "a")
    bench.broker.delete_before("in", 0, 2)
    worker, transport = await bench.worker()

    class Rebalanced(FaultyLog):
        async def next_offset(self, partition: int, offset: int) -> int:
            worker.revoked([0])
            await run(*await bench.worker())
            if comes_back:
                await worker.assigned([0])
            return await super().next_offset(partition, offset)

    worker._log = Rebalanced(bench.broker, "in")
    await worker.process(transport.take())
    await worker.settle()

    assert bench.store.states == {(0, "a"): b"2"}
    assert bench.fence().decided == 2


async def test_of_a_partition_that_leaves_during_its_commit_no_figure_is_told() -> None:
    bench = Bench()
    bench.send("a")
    worker, transport = await bench.worker()

    class Leaving(FaultyStore):
        async def exchange(self, turns: Sequence[Turn]) -> list[Reply]:
            worker.revoked([0])
            return await super().exchange(turns)

    await worker.process(transport.take())
    told = bench.told("centinela_fence_offset", partition="0")
    worker._store = Leaving()
    await worker.settle()

    assert told == -1
    assert bench.told("centinela_fence_offset", partition="0") is None


@pytest.mark.parametrize("breaks_decoding", [False, True], ids=["fold", "decode"])
async def test_an_event_that_breaks_our_code_is_found_and_the_others_are_decided(
    breaks_decoding: bool,
) -> None:
    bench = Bench()
    bench.send("a\nb boom\na", "b\na", "c boom")
    worker, transport = await bench.worker(breaks_decoding=breaks_decoding)

    await run(worker, transport)

    assert bench.outcomes() == ["a=1\ndead\na=2", "b=1\na=3", "dead"]
    assert (bench.fence().decided, bench.fence().dead) == (4, 2)


@pytest.mark.parametrize("breaks_decoding", [False, True], ids=["fold", "decode"])
@pytest.mark.parametrize("comes_back", [True, False])
async def test_a_partition_that_leaves_while_an_event_is_looked_for_is_not_folded(
    comes_back: bool, breaks_decoding: bool
) -> None:
    bench = Bench()
    bench.send("a\nb boom\na")
    worker, transport = await bench.worker(breaks_decoding=breaks_decoding)

    async def leave() -> None:
        while not worker.retries:
            await asyncio.sleep(0)
        worker.revoked([0])
        if comes_back:
            await worker.assigned([0])

    leaving = asyncio.create_task(leave())
    await worker.process(transport.take())
    await leaving
    await worker.settle()

    assert bench.emitted() == 0
    assert bench.store.fences == {}


async def test_ids_are_read_again_only_behind_the_fence_that_they_belong_to() -> None:
    bench = Bench()
    bench.send("a", "a", "b boom", "a")
    worker, transport = await bench.worker()
    await worker.process(transport.take(2))
    await worker.settle()

    class Emptied(FaultyStore):
        async def load(self, partition: int) -> tuple[bytes, bytes]:
            return b"", b""

    worker._store = Emptied()
    worker._store.fences = bench.store.fences
    await worker.process(transport.take())

    assert bench.emitted() == 2
    assert worker.offsets == {0: -1}


async def test_a_record_of_dead_lines_alone_is_not_folded_behind_another_owner() -> None:
    bench = Bench()
    bench.send("a boom", "a")
    worker, transport = await bench.worker(breaks_decoding=True)
    await run(*await bench.worker(breaks_decoding=True))

    await worker.process(transport.take(1))

    assert bench.emitted() == 2
    assert worker.offsets == {0: 1}


async def test_records_that_the_transport_repeats_or_skips_are_put_right() -> None:
    bench = Bench()
    bench.send("a", "a", "a")
    worker, transport = await bench.worker()
    first, second, third = transport.take()

    await worker.process([first, first])
    await worker.process([third])
    await run(worker, transport)
    await worker.process([second])
    await worker.settle()

    assert bench.outcomes() == ["a=1", "a=2", "a=3"]
    assert bench.emitted() == 3


async def test_of_records_that_are_ahead_the_broker_is_asked_once() -> None:
    bench = Bench()
    bench.send(*"abcdef")
    worker, transport = await bench.worker()
    asked: list[int] = []

    class Asked(FaultyLog):
        async def next_offset(self, partition: int, offset: int) -> int:
            asked.append(offset)
            return offset

    worker._log = Asked(bench.broker, "in")
    await worker.process(transport.take()[1:])

    assert asked == [0]
    assert bench.emitted() == 0
    assert bench.alarms("gap") == 0


async def test_offsets_that_hold_no_record_are_skipped() -> None:
    bench = Bench()
    bench.send("a", "a")
    worker, transport = await bench.worker()

    class Compacted(FaultyLog):
        async def next_offset(self, partition: int, offset: int) -> int:
            return 1

    worker._log = Compacted(bench.broker, "in")
    await worker.process(transport.take()[1:])
    await worker.settle()

    assert bench.outcomes() == ["a=1"]
    assert bench.fence().offset == 1
    assert bench.alarms("gap") == 1


async def test_a_topic_created_again_starts_over_and_keeps_the_features() -> None:
    bench = Bench()
    bench.send("a", "a")
    await run(*await bench.worker())

    bench.broker.create("in", 1)
    bench.send("a")
    await run(*await bench.worker())

    assert bench.store.states == {(0, "a"): b"3"}
    assert bench.fence().offset == 0
    assert bench.fence().epoch == bench.broker.topics["in"].id


async def test_states_of_another_layout_are_folded_again_from_the_log() -> None:
    bench = Bench()
    bench.send("a", "a\nb")
    await run(*await bench.worker(layout="tallies"))
    bench.store.states[0, "a"] = bench.store.states[0, "b"] = b"unreadable"
    bench.send("a")

    await run(*await bench.worker())

    assert bench.store.states == {(0, "a"): b"3", (0, "b"): b"1"}
    assert bench.outcomes() == ["a=1", "a=2\nb=1", "a=3"]
    assert bench.fence().decided == 4
    assert bench.fence().layout == "counts"
    assert bench.alarms("layout") == 1


async def test_a_crash_while_states_are_forgotten_leaves_none_of_them() -> None:
    bench = Bench()
    bench.send("a", "a")
    await run(*await bench.worker(layout="tallies"))
    bench.store.after = Crash()
    with pytest.raises(Crash):
        await bench.worker()

    await run(*await bench.worker(layout="tallies"))

    assert bench.store.states == {(0, "a"): b"2"}
    assert bench.fence().decided == 2


async def test_a_worker_of_the_old_layout_is_refused_once_the_new_one_begins() -> None:
    bench = Bench()
    bench.send("a", "a", "a")
    zombie, transport = await bench.worker(layout="tallies")
    await zombie.process(transport.take(1))
    await zombie.settle()
    await zombie.process(transport.take(1))
    await bench.worker()

    await run(zombie, transport)

    assert bench.fence().decided == 3
    assert bench.store.states == {(0, "a"): b"3"}
    assert bench.alarms("ownership") == 1


async def test_entities_dropped_from_the_cache_are_read_again() -> None:
    bench = Bench()
    bench.send(*(f"entity-{number % 7}" for number in range(21)))

    await run(*await bench.worker(limits=Limits(cached_entities=2)), most=1)

    assert set(bench.store.states.values()) == {b"3"}


async def test_a_chunk_of_more_entities_than_are_cached_is_committed_whole() -> None:
    bench = Bench()
    bench.send("a\nb\nc", "a\nb\nc")

    await run(*await bench.worker(limits=Limits(cached_entities=1)), most=1)

    assert bench.store.states == {(0, "a"): b"2", (0, "b"): b"2", (0, "c"): b"2"}


async def test_a_take_costs_one_exchange() -> None:
    bench = Bench(partitions=3)
    for partition in range(3):
        bench.send("a\nb", "c", partition=partition)
    worker, transport = await bench.worker(0, 1, 2)

    await run(worker, transport, most=1)

    assert bench.store.exchanges == 2 + 1  # two takes, and the lone commit of the last
