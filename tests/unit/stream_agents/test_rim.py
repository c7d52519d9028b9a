"""What of the rim needs no broker: the queue between Faust and the worker, and what is acked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pytest
from faust.transport.drivers.aiokafka import Consumer
from faust.types import TP, EventT

from feature_store.fence import Reply, StoreUnavailable, Turn, decode_fence
from stream_agents.consumer import LoopConsumer
from stream_agents.heap import Heap
from stream_agents.lane import Inbox
from stream_agents.memory import MemoryBroker, MemoryLog, MemoryStore
from stream_agents.metrics import StageMetrics
from stream_agents.rim import Rim, build_app
from stream_agents.settings import AgentSettings
from stream_agents.worker import Limits, Worker
from tests.unit.stream_agents.counting import CountingStage

TAKE = 4


@dataclass(frozen=True, slots=True)
class Message:
    """What Faust's consumer hands over."""

    partition: int
    offset: int
    value: bytes | None
    timestamp: float = 0.0
    headers: Any = None


@dataclass(frozen=True, slots=True)
class Event:
    """One of Faust's events, which notes when it is acknowledged."""

    message: Message
    acked: list[int]

    def ack(self) -> None:
        self.acked.append(self.message.offset)


def event(
    offset: int, value: bytes | None = b"a", acked: list[int] | None = None, partition: int = 0
) -> EventT[bytes]:
    message = Message(partition, offset, value)
    return cast("EventT[bytes]", Event(message, [] if acked is None else acked))


async def put_all(inbox: Inbox, events: Sequence[EventT[bytes]]) -> None:
    for each in events:
        await inbox.put(each)


async def settled() -> None:
    """Everybody who can move on has done so."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_a_take_is_what_has_queued_up_in_order() -> None:
    inbox, events = Inbox(10), [event(offset) for offset in range(5)]
    await put_all(inbox, events)

    assert inbox.take(3) == events[:3]
    assert inbox.take(3) == events[3:]
    assert len(inbox) == 0


async def test_an_inbox_tells_of_its_first_event() -> None:
    inbox, first = Inbox(10), event(0)
    waiting = asyncio.create_task(inbox.filled())
    await settled()
    assert not waiting.done()

    await inbox.put(first)

    await waiting
    assert inbox.take(3) == [first]


async def test_a_take_is_bounded_by_bytes_as_well_but_holds_at_least_one_event() -> None:
    inbox, events = Inbox(10), [event(offset, b"a" * 100) for offset in range(5)]
    await put_all(inbox, events)

    assert inbox.take(9, 1) == events[:1]
    assert inbox.take(9, 150) == events[1:3]
    assert inbox.take(9, 200) == events[3:]


async def test_an_inbox_is_full_by_bytes_as_well() -> None:
    inbox, events = Inbox(10, 200), [event(offset, b"a" * 100) for offset in range(3)]
    putting = asyncio.create_task(put_all(inbox, events))
    await settled()
    assert (len(inbox), inbox.weight) == (2, 200)

    assert inbox.take(9) == events[:2]
    await putting
    assert inbox.take(9) == events[2:]


async def test_a_full_inbox_holds_its_sender_until_it_is_half_empty() -> None:
    inbox, events = Inbox(4), [event(offset) for offset in range(5)]
    putting = asyncio.create_task(put_all(inbox, events))
    await settled()
    assert len(inbox) == 4

    inbox.take(2)
    await settled()
    assert not putting.done()
    inbox.take(1)
    await settled()

    assert putting.done()
    assert inbox.take(9) == events[3:]


async def test_a_cleared_inbox_is_empty_and_lets_its_sender_go_on() -> None:
    inbox, last = Inbox(2), event(2)
    putting = asyncio.create_task(put_all(inbox, [event(0), event(1), last]))
    await settled()

    inbox.clear()
    await putting

    assert inbox.take(9) == [last]


class WatchedStore(MemoryStore):
    """Notes what was acknowledged beyond its fence; fails when told to."""

    def __init__(self, acked: list[int]) -> None:
        super().__init__()
        self.acked_too_early: list[int] = []
        self.is_away = False
        self.held_up: dict[int, asyncio.Event] = {}
        self.exchanged: list[set[int]] = []
        self.is_loading = asyncio.Event()
        self.is_loading.set()
        self._acked = acked

    @property
    def offset(self) -> int:
        return self.offset_of(0)

    def offset_of(self, partition: int) -> int:
        fence = decode_fence(self.fences.get(partition, b""))
        return -1 if fence is None else fence.offset

    async def load(self, partition: int) -> tuple[bytes, bytes]:
        await self.is_loading.wait()
        return await super().load(partition)

    async def exchange(self, turns: Sequence[Turn]) -> list[Reply]:
        self.acked_too_early += [offset for offset in self._acked if offset > self.offset]
        if self.is_away:
            raise StoreUnavailable("away")
        for turn in turns:
            if turn.partition in self.held_up:
                await self.held_up[turn.partition].wait()
        self.exchanged.append({turn.partition for turn in turns})
        return await super().exchange(turns)


class Agent:
    """A rim with its worker on a store in memory, fed by hand instead of by Faust."""

    def __init__(self, lanes: int = 1) -> None:
        self.acked: list[int] = []
        self.store = WatchedStore(self.acked)
        self.broker = MemoryBroker(lambda: 0)
        self.broker.create("out", lanes)
        metrics = StageMetrics("test", "rim")
        settings = AgentSettings(take_records=TAKE, lanes=lanes)
        log = MemoryLog(self.broker, "in")
        stage, limits = CountingStage("out"), Limits(seen_ids=64, deadline_s=0.0)
        self.worker = Worker(stage, self.store, log, "epoch", metrics, limits)
        app = build_app("test", settings, "epoch")
        self.rim = Rim(app, "in", self.worker, metrics, settings)

    async def fetch(self, *offsets: int, value: bytes | None = b"a", partition: int = 0) -> None:
        fetched = [event(offset, value, self.acked, partition) for offset in offsets]
        for each in fetched:
            await self.rim._lanes.put(each)

    def work(self) -> asyncio.Task[None]:
        return asyncio.create_task(self.rim._lanes.run())

    async def stop(self, working: asyncio.Task[None]) -> None:
        self.rim.stop()
        await working

    @property
    def emitted(self) -> list[bytes]:
        return [record.value for record in self.broker.topics["out"].partitions[0]]


@pytest.fixture
async def agent() -> AsyncIterator[Agent]:
    agent = Agent()
    await agent.rim.assigned({TP("in", 0)})
    yield agent
    agent.rim.stop()


async def test_nothing_is_acknowledged_before_it_is_committed(agent: Agent) -> None:
    working = agent.work()
    for first in range(0, 40, 5):
        await agent.fetch(*range(first, first + 5))
        await settled()
    await agent.stop(working)

    assert agent.acked == list(range(40))
    assert agent.store.acked_too_early == []
    assert agent.store.offset == 39


async def test_what_has_queued_up_is_committed_and_acknowledged_without_more(agent: Agent) -> None:
    working = agent.work()
    await agent.fetch(0, 1)
    await settled()

    assert (agent.store.offset, agent.acked) == (1, [0, 1])
    await agent.stop(working)


async def test_a_stop_takes_no_more_and_commits_what_is_in_hand(agent: Agent) -> None:
    await agent.fetch(*range(2 * TAKE))
    agent.rim.stop()

    await agent.rim._lanes.run()

    assert agent.acked == list(range(agent.store.offset + 1))
    assert len(agent.emitted) == len(agent.acked)


async def test_an_error_ends_the_work_with_nothing_acknowledged(agent: Agent) -> None:
    agent.store.is_away = True
    await agent.fetch(0)

    with pytest.raises(StoreUnavailable):
        await agent.rim._lanes.run()
    assert agent.acked == []


async def test_after_an_assignment_what_came_before_is_forgotten(agent: Agent) -> None:
    await agent.fetch(0, 1)

    await agent.rim.assigned({TP("in", 0)})
    working = agent.work()
    await settled()
    await agent.stop(working)

    assert (agent.emitted, agent.acked) == ([], [])


async def test_each_partition_is_read_on_behind_its_fence(agent: Agent) -> None:
    working = agent.work()
    await agent.fetch(0, 1, 2)
    await settled()
    await agent.stop(working)

    following = await agent.rim.assigned({TP("in", 0), TP("in", 3), TP("elsewhere", 1)})

    assert following == {TP("in", 0): 3, TP("in", 3): 0}


async def test_partitions_that_are_assigned_no_more_are_given_up(agent: Agent) -> None:
    await agent.rim.assigned({TP("in", 1)})

    assert agent.worker.offsets == {1: -1}


async def test_an_assignment_that_overtakes_the_one_before_is_what_counts(agent: Agent) -> None:
    agent.store.is_loading.clear()
    first = asyncio.create_task(agent.rim.assigned({TP("in", 1), TP("in", 2)}))
    await settled()
    second = asyncio.create_task(agent.rim.assigned({TP("in", 1)}))
    await settled()
    agent.store.is_loading.set()

    assert await first == {TP("in", 1): 0, TP("in", 2): 0}
    assert await second == {TP("in", 1): 0}
    assert agent.worker.offsets == {1: -1}


async def test_an_agent_without_partitions_is_assigned_none() -> None:
    agent = Agent()
    assert not agent.rim.is_assigned

    assert await agent.rim.assigned(set()) == {}
    assert agent.rim.is_assigned


async def test_an_agent_that_loses_all_its_partitions_gives_them_up(agent: Agent) -> None:
    app = agent.rim._app

    await app.on_partitions_assigned.send(set())

    assert agent.worker.offsets == {}


async def test_an_agent_beyond_the_number_of_partitions_is_assigned_too() -> None:
    agent = Agent()

    await agent.rim._app.on_partitions_assigned.send(set())

    assert agent.rim.is_assigned


async def test_a_tombstone_is_a_record_without_lines(agent: Agent) -> None:
    working = agent.work()
    await agent.fetch(0, value=None)
    await settled()
    await agent.stop(working)

    assert agent.emitted == [b""]


@pytest.fixture
async def laned() -> AsyncIterator[Agent]:
    agent = Agent(lanes=2)
    await agent.rim.assigned({TP("in", 0), TP("in", 1)})
    yield agent
    agent.rim.stop()


async def test_a_lane_goes_on_while_another_waits(laned: Agent) -> None:
    laned.store.held_up = {1: asyncio.Event()}
    working = laned.work()
    await laned.fetch(0, partition=1)
    await settled()
    await laned.fetch(0, partition=0)
    await settled()
    assert (laned.store.offset_of(0), laned.store.offset_of(1)) == (0, -1)

    laned.store.held_up[1].set()
    await settled()

    assert (laned.store.offset_of(0), laned.store.offset_of(1)) == (0, 0)
    await laned.stop(working)


async def test_what_little_waits_for_an_idle_lane_is_taken_along(laned: Agent) -> None:
    working = laned.work()
    await laned.fetch(0, partition=0)
    await laned.fetch(0, partition=1)
    await settled()

    # One exchange reads for both and one commits both.
    assert laned.store.exchanged == [{0, 1}, {0, 1}]
    assert (laned.store.offset_of(0), laned.store.offset_of(1)) == (0, 0)
    await laned.stop(working)


async def test_what_fits_no_chunk_is_left_to_its_lane(laned: Agent) -> None:
    await laned.fetch(*range(TAKE), partition=0)
    await laned.fetch(*range(TAKE), partition=1)
    working = laned.work()
    await settled()

    assert {0, 1} not in laned.store.exchanged
    assert (laned.store.offset_of(0), laned.store.offset_of(1)) == (TAKE - 1, TAKE - 1)
    await laned.stop(working)


async def test_a_lane_that_is_busy_commits_for_itself(laned: Agent) -> None:
    laned.store.held_up = {1: asyncio.Event()}
    working = laned.work()
    await laned.fetch(0, partition=1)
    await settled()
    for offset in range(3):
        await laned.fetch(offset, partition=0)
        await settled()

    assert laned.store.offset_of(0) == 2
    assert all(partitions == {0} for partitions in laned.store.exchanged)
    laned.store.held_up[1].set()
    await settled()
    assert laned.store.offset_of(1) == 0
    await laned.stop(working)


async def test_a_chunk_is_committed_though_more_comes_for_another_lane(laned: Agent) -> None:
    working = laned.work()
    laned.store.held_up = {0: asyncio.Event()}
    await laned.fetch(0, partition=0)
    await laned.fetch(0, partition=1)
    await settled()
    await laned.fetch(*range(1, TAKE + 2), partition=0)
    laned.store.held_up.pop(0).set()
    await settled()

    assert laned.store.offset_of(1) == 0
    await laned.stop(working)


async def test_each_lane_acknowledges_what_is_committed_whoever_took_it(laned: Agent) -> None:
    working = laned.work()
    for first in range(0, 12, 2):
        await laned.fetch(first, first + 1, partition=0)
        await laned.fetch(first, first + 1, partition=1)
        await settled()
    await laned.stop(working)

    assert sorted(laned.acked) == sorted([*range(12), *range(12)])
    assert (laned.store.offset_of(0), laned.store.offset_of(1)) == (11, 11)


class WatchedHeap(Heap):
    """Notes how much had passed whenever it is asked to give back."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_after: list[int] = []

    def give_back(self) -> bool:
        self.asked_after.append(self._passed)
        return super().give_back()


async def test_memory_goes_back_once_nothing_waits(agent: Agent) -> None:
    heap = agent.rim._lanes._heap = WatchedHeap()
    await agent.fetch(*range(2 * TAKE), value=b"aaa")
    working = agent.work()
    await settled()

    assert heap.asked_after == [3 * 2 * TAKE]
    await agent.stop(working)


async def test_what_faust_asks_of_its_consumers_thread_is_done_where_it_is_asked() -> None:
    app = Agent().rim._app
    consumer = LoopConsumer(cast("Consumer", app.consumer))

    async def where(*, fails: bool = False) -> tuple[int, object]:
        if fails:
            raise LookupError
        return threading.get_ident(), asyncio.current_task()

    assert await consumer.call_thread(where) == (threading.get_ident(), asyncio.current_task())
    with pytest.raises(LookupError):
        await consumer.call_thread(where, fails=True)


async def test_the_rims_consumer_has_no_thread_of_its_own() -> None:
    consumer = cast("Consumer", Agent().rim._app.consumer)

    assert isinstance(consumer._thread, LoopConsumer)
    assert consumer._thread.thread_loop is asyncio.get_running_loop()
