"""What of the rim needs no broker: the queue between Faust and the worker, and what is acked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pytest
from faust.types import TP, EventT

from feature_store.fence import Reply, StoreUnavailable, Turn, decode_fence
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

    assert await inbox.take(3) == events[:3]
    assert await inbox.take(3) == events[3:]
    assert len(inbox) == 0


async def test_a_take_waits_for_one_event_and_not_for_more() -> None:
    inbox, first = Inbox(10), event(0)
    taking = asyncio.create_task(inbox.take(3))
    await settled()
    assert not taking.done()

    await inbox.put(first)

    assert await taking == [first]


async def test_a_take_is_all_that_is_being_handed_over() -> None:
    inbox, events = Inbox(10), [event(offset) for offset in range(6)]

    async def hand_over() -> None:
        for each in events:
            await inbox.put(each)
            await asyncio.sleep(0)

    taking = asyncio.create_task(inbox.take(5))
    await hand_over()

    assert await taking == events[:5]
    assert await inbox.take(5) == events[5:]


async def test_a_take_is_bounded_by_bytes_as_well_but_holds_at_least_one_event() -> None:
    inbox, events = Inbox(10), [event(offset, b"a" * 100) for offset in range(5)]
    await put_all(inbox, events)

    assert await inbox.take(9, 1) == events[:1]
    assert await inbox.take(9, 150) == events[1:3]
    assert await inbox.take(9, 200) == events[3:]


async def test_an_inbox_is_full_by_bytes_as_well() -> None:
    inbox, events = Inbox(10, 200), [event(offset, b"a" * 100) for offset in range(3)]
    putting = asyncio.create_task(put_all(inbox, events))
    await settled()
    assert len(inbox) == 2

    assert await inbox.take(9) == events[:2]
    await putting
    assert await inbox.take(9) == events[2:]


async def test_a_full_inbox_holds_its_sender_until_it_is_half_empty() -> None:
    inbox, events = Inbox(4), [event(offset) for offset in range(5)]
    putting = asyncio.create_task(put_all(inbox, events))
    await settled()
    assert len(inbox) == 4

    await inbox.take(2)
    await settled()
    assert not putting.done()
    await inbox.take(1)
    await settled()

    assert putting.done()
    assert await inbox.take(9) == events[3:]


async def test_a_take_that_is_given_up_takes_nothing() -> None:
    inbox, first = Inbox(4), event(0)
    taking = asyncio.create_task(inbox.take(3))
    await settled()
    taking.cancel()
    await inbox.put(first)

    assert await inbox.take(3) == [first]


async def test_a_cleared_inbox_is_empty_and_lets_its_sender_go_on() -> None:
    inbox, last = Inbox(2), event(2)
    putting = asyncio.create_task(put_all(inbox, [event(0), event(1), last]))
    await settled()

    inbox.clear()
    await putting

    assert await inbox.take(9) == [last]


class WatchedStore(MemoryStore):
    """Notes what was acknowledged beyond its fence; fails when told to."""

    def __init__(self, acked: list[int]) -> None:
        super().__init__()
        self.acked_too_early: list[int] = []
        self.is_away = False
        self.held_up: dict[int, asyncio.Event] = {}
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
        return await super().exchange(turns)


class Agent:
    """A rim with its workers on stores in memory, fed by hand instead of by Faust."""

    def __init__(self, lanes: int = 1) -> None:
        self.acked: list[int] = []
        self.store = WatchedStore(self.acked)
        self.broker = MemoryBroker(lambda: 0)
        self.broker.create("out", lanes)
        metrics, settings = StageMetrics("test", "rim"), AgentSettings(take_records=TAKE)
        log = MemoryLog(self.broker, "in")
        stage, limits = CountingStage("out"), Limits(seen_ids=64, deadline_s=0.0)
        workers = [Worker(stage, self.store, log, "epoch", metrics, limits) for _ in range(lanes)]
        self.worker = workers[0]
        app = build_app("test", settings)
        self.rim = Rim(app, "in", workers, metrics, settings)

    async def fetch(self, *offsets: int, value: bytes | None = b"a", partition: int = 0) -> None:
        fetched = [event(offset, value, self.acked, partition) for offset in offsets]
        await put_all(self.rim._lanes[self.rim._lane(partition)].inbox, fetched)

    def work(self) -> asyncio.Task[None]:
        return asyncio.create_task(self.rim._work())

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

    await agent.rim._work()

    assert agent.acked == list(range(agent.store.offset + 1))
    assert len(agent.emitted) == len(agent.acked)


async def test_an_error_ends_the_work_with_nothing_acknowledged(agent: Agent) -> None:
    agent.store.is_away = True
    await agent.fetch(0)

    with pytest.raises(StoreUnavailable):
        await agent.rim._work()
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


async def test_a_lane_goes_on_while_another_waits() -> None:
    agent = Agent(lanes=2)
    await agent.rim.assigned({TP("in", 0), TP("in", 1)})
    agent.store.held_up = {1: asyncio.Event()}
    working = agent.work()
    await agent.fetch(0, partition=1)
    await agent.fetch(0, partition=0)
    await settled()
    assert (agent.store.offset_of(0), agent.store.offset_of(1)) == (0, -1)

    agent.store.held_up[1].set()
    await settled()

    assert (agent.store.offset_of(0), agent.store.offset_of(1)) == (0, 0)
    await agent.stop(working)
