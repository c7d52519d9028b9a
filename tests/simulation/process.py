"""One process of an agent: the real rim and worker, over a log and a store that may fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import faust
from faust.types import TP
from msgspec.structs import replace

from feature_store.fence import Fence, Reply, StoreUnavailable, Turn, decode_fence
from models.errors import Unavailable
from producer.records import OutRecord, Record
from stream_agents.answers import Answer
from stream_agents.memory import MemoryLog
from stream_agents.rim import Rim
from stream_agents.settings import AgentSettings
from stream_agents.stage import Folded, Memory, Place, Stage
from stream_agents.worker import Limits, Worker
from tests.simulation.lineage import Node

if TYPE_CHECKING:
    from tests.simulation.world import World

FETCHED = 6
"""Records of each partition that are fetched at once."""


class Died(BaseException):
    """The process is gone: nothing of it runs on, and nobody may catch this."""


@dataclass(frozen=True, slots=True)
class Message:
    """A record as Faust hands it over."""

    partition: int
    offset: int
    value: bytes
    timestamp: float
    headers: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Event:
    """One of Faust's events."""

    message: Message

    def ack(self) -> None:
        """Advice to onlookers: nothing reads it here."""


class StubApp:
    """What a rim asks of a Faust app before it runs."""

    conf = SimpleNamespace(id="sim", broker_consumer=[])
    on_partitions_assigned = SimpleNamespace(connect=lambda handler: None)
    transport: Any = None
    fetch: Any = None

    def topic(self, *_: Any, **__: Any) -> None:
        return None

    def agent(self, *_: Any, **__: Any) -> Any:
        return self._listen

    def _listen(self, fetch: Any) -> None:
        self.fetch = fetch


class StubStream:
    """A Faust stream of what a process fetches."""

    def __init__(self, events: AsyncIterator[Event]) -> None:
        self._events = events

    def noack(self) -> StubStream:
        return self

    def events(self) -> AsyncIterator[Event]:
        return self._events


@cache
def settings(take_records: int, lanes: int) -> AgentSettings:
    return AgentSettings(take_records=take_records, lanes=lanes)


class Process:
    """A member of a stage's consumer group.

    Args:
        version: Of the model or the policy that it judges by.
    """

    def __init__(self, world: World, stage: str, name: str, version: str) -> None:
        self.world, self.stage, self.name, self.version = world, stage, name, version
        self.topic = world.topics[stage]
        self.epoch = world.broker.topics[self.topic].id
        self.is_alive, self.is_member, self.frozen_until = True, True, 0.0
        self.latest: dict[tuple[int, int], Node] = {}
        self.wake = asyncio.Event()
        self.log = ProcessLog(self)
        self.store = ProcessStore(self)
        draw = world.chance.random
        limits = Limits(
            draw.choice((1, 4, 300, 50_000)), world.remembered, draw.choice((2.0, 10.0, 60.0))
        )
        watched = WatchedStage(self, world.stage_of(self))
        metrics = world.metrics[stage]
        self.worker = Worker(watched, self.store, self.log, self.epoch, metrics, limits, name)
        lanes, take_records = draw.choice((1, 2)), draw.choice((1, 3, 8, 32))
        self._app = StubApp()
        app = cast(faust.App, self._app)
        self.rim = Rim(app, self.topic, self.worker, metrics, settings(take_records, lanes))
        self._tasks: set[asyncio.Task[None]] = set()
        self._wanted: list[int] = []
        self._asked = self._done = 0
        self._is_rebalancing = False

    @property
    def rests_uncommitted(self) -> bool:
        """Whether nobody is at a chunk that was folded and not committed."""
        lanes = self.rim._lanes._lanes
        is_busy = any(lane.turn.locked() or len(lane.inbox) for lane in lanes)
        return self.worker.has_uncommitted and not is_busy

    def start(self) -> None:
        self.spawn(self._work)
        self.spawn(lambda: self._app.fetch(StubStream(self._fetched())))

    def reassign(self, partitions: Sequence[int]) -> None:
        """The group has settled on other partitions for this member."""
        self._wanted = list(partitions)
        self._asked += 1
        if not self._is_rebalancing:
            self._is_rebalancing = True
            self.spawn(self._rebalance)

    def stop(self) -> None:
        """SIGTERM: the chunk in hand is finished and committed."""
        self.rim.stop()

    def end(self) -> None:
        """Nothing of the process runs on."""
        self.is_alive = self.is_member = False
        try:
            current = asyncio.current_task()
        except RuntimeError:
            current = None
        for task in self._tasks:
            if task is not current:
                task.cancel()

    def spawn(self, running: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(running))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def reach(self, site: str) -> None:
        """Every call over the network passes here: it takes time, and the process may die."""
        await asyncio.sleep(self.world.chance.latency_s())
        await self.thawed()
        if not self.is_alive:
            raise Died
        if self.world.chance.kills(site):
            self.world.note(self.name, f"dies at {site}")
            raise Died

    async def thawed(self) -> None:
        while (left := self.frozen_until - self.world.now_s()) > 0:
            await asyncio.sleep(left)

    async def _guarded(self, running: Callable[[], Awaitable[None]]) -> None:
        try:
            await running()
        except Died:
            if self.is_alive:
                self.world.died(self)
        except (StoreUnavailable, Unavailable) as error:
            self.world.chance.met("process.gave-up")
            self.world.note(self.name, f"gives up: {error}")
            self.world.died(self)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # whatever it is, this seed has found it
            self.world.broken(f"{self.name} raised {error!r}", error)
            self.world.died(self)

    async def _work(self) -> None:
        await self.rim._lanes.run()
        self.world.note(self.name, "has stopped")
        self.world.left(self)

    async def _fetched(self) -> AsyncIterator[Event]:
        while True:
            await self.reach("fetch")
            records = self.log.take(FETCHED)
            if not records:
                self.wake.clear()
                await self.wake.wait()
                continue
            for record in self._erring(records):
                yield self._event(record)

    def _erring(self, records: list[Record]) -> list[Record]:
        """Now and then the transport repeats a record, or leaves one out."""
        chance = self.world.chance
        if chance.hits("fetch.repeated"):
            records = [*records, chance.random.choice(records)]
        if len(records) > 1 and chance.hits("fetch.skipped"):
            records = records[1:]
        return records

    def _event(self, record: Record) -> Event:
        headers = list(record.headers)
        at_s = record.at_ms / 1000
        message = Message(record.partition, record.offset, record.value, at_s, headers)
        return Event(message)

    async def _rebalance(self) -> None:
        while self._done != self._asked:
            self._done = self._asked
            await self.reach("assigned")
            self.log.assign({})
            wanted = {TP(self.topic, partition): None for partition in self._wanted}
            # Not a set: its order would depend on the process that simulates.
            following = await self.rim.assigned(cast("set[TP]", wanted))
            offsets = {tp.partition: offset for tp, offset in following.items()}
            self.world.note(self.name, f"reads from {offsets}")
            self.log.assign(offsets)
            self.wake.set()
        self._is_rebalancing = False


class WatchedStage:
    """The real stage; what each fold is made of is noted."""

    def __init__(self, process: Process, stage: Stage) -> None:
        self._process = process
        self._stage = stage

    @property
    def layout(self) -> str:
        return self._stage.layout

    def decode(self, records: Sequence[Record], poisoned: Sequence[Place] = ()) -> Any:
        return WatchedChunk(records, self._stage.decode(records, poisoned))

    def fold(self, chunk: WatchedChunk, memory: Memory) -> Folded:
        folded = self._stage.fold(chunk.decoded, memory)
        self._process.store.folded(chunk.records, memory, folded)
        return folded

    async def answer(self, folded: Folded) -> None:
        await self._process.reach("answer.before")
        await self._stage.answer(folded)
        await self._process.reach("answer.after")


@dataclass(frozen=True, slots=True)
class WatchedChunk:
    records: Sequence[Record]
    decoded: Any

    @property
    def entities(self) -> Mapping[int, Sequence[str]]:
        entities: Mapping[int, Sequence[str]] = self.decoded.entities
        return entities


class ProcessLog(MemoryLog):
    """A process's consumer and producer."""

    def __init__(self, process: Process) -> None:
        super().__init__(process.world.broker, process.topic)
        self._process = process
        self._chance = process.world.chance

    async def emit(self, records: Sequence[OutRecord]) -> None:
        process, world = self._process, self._process.world
        await process.reach("emit.before")
        self._fail("emit.request-lost")
        world.need_kafka()
        torn = bool(records) and self._chance.hits("emit.torn")
        cut = self._chance.random.randrange(len(records)) if torn else len(records)
        for record in records[:cut]:
            if self._chance.random.random() < 0.2:
                await process.reach("emit.record")
            world.emitted(process, record)
        if torn:
            raise Unavailable("kafka: only some records were acknowledged")
        await process.reach("emit.after")
        self._fail("emit.ack-lost")

    async def seek(self, offsets: Mapping[int, int]) -> None:
        await self._process.reach("seek.before")
        await super().seek(offsets)
        self._process.wake.set()
        await self._process.reach("seek.after")

    async def next_offset(self, partition: int, offset: int) -> int:
        await self._process.reach("next-offset")
        self._process.world.need_kafka()
        found = await super().next_offset(partition, offset)
        self._fail("next-offset.reply-lost")
        return found

    def _fail(self, site: str) -> None:
        if self._chance.hits(site):
            raise Unavailable(f"kafka: {site}")


Key = tuple[int, str, int, int, int, int, int, int]


def key_of(partition: int, fence: Fence) -> Key:
    """What of a fence says how far it is, and how it got there."""
    ended = (fence.decided, fence.duplicate, fence.late, fence.dead)
    return (partition, fence.epoch, fence.offset, fence.seen, *ended)


class ProcessStore:
    """A process's connection to Redis; it knows what each fence is made of."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._chance = process.world.chance
        self._server = process.world.redis.stores[process.stage]
        self._heads: dict[Key, Node] = {}

    async def load(self, partition: int) -> tuple[bytes, bytes]:
        await self._process.reach("load.before")
        self._fail("load.request-lost")
        self._process.world.need_redis()
        stored, ring = await self._server.memory.load(partition)
        self._loaded(partition, stored)
        await self._process.reach("load.after")
        self._fail("load.reply-lost")
        return stored, ring

    async def exchange(self, turns: Sequence[Turn]) -> list[Reply]:
        process, world = self._process, self._process.world
        await process.reach("exchange.before")
        self._fail("exchange.request-lost")
        world.need_redis()
        torn = bool(turns) and self._chance.hits("exchange.torn")
        cut = self._chance.random.randrange(len(turns)) if torn else len(turns)
        replies = []
        for turn in turns[:cut]:
            if self._chance.random.random() < 0.1:
                await process.reach("exchange.within")
            fence = decode_fence(turn.commit.fence) if turn.commit else None
            head = self._heads[key_of(turn.partition, fence)] if fence else None
            world.about_to_commit(process, turn, head)
            replies.append(await self._server.take_turn(turn, head))
        if torn:
            raise StoreUnavailable("redis: the connection ended within a pipeline")
        await process.reach("exchange.after")
        self._fail("exchange.reply-lost")
        return replies

    async def state(self, partition: int, entity: str) -> bytes | None:
        return await self._server.memory.state(partition, entity)

    async def forget(self, partition: int) -> None:
        await self._server.memory.forget(partition)

    def folded(self, records: Sequence[Record], memory: Memory, folded: Folded) -> None:
        """Notes what the fences after a chunk are made of."""
        process = self._process
        version = process.version if process.stage == "decision" else ""
        for partition, change in folded.changes.items():
            node = self._heads[key_of(partition, memory.fences[partition])]
            for record in sorted(
                (record for record in records if record.partition == partition),
                key=lambda record: record.offset,
            ):
                node = node.after(record, process.epoch, version)
                process.latest[partition, record.offset] = node
            self._heads[key_of(partition, change.fence)] = node

    def _loaded(self, partition: int, stored: bytes) -> None:
        head = self._server.head(partition)
        fence = decode_fence(stored) or Fence(self._process.epoch)
        self._heads[key_of(partition, fence)] = head
        if fence.epoch != self._process.epoch:
            again = replace(fence, epoch=self._process.epoch, offset=-1)
            self._heads[key_of(partition, again)] = head

    def _fail(self, site: str) -> None:
        if self._chance.hits(site):
            raise StoreUnavailable(f"redis: {site}")


class ProcessResults:
    """A process's way to those who wait for answers."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def write(self, answers: Sequence[Answer]) -> None:
        process, world = self._process, self._process.world
        await process.reach("answer.before")
        world.need_redis()
        if world.chance.hits("answer.request-lost"):
            raise Unavailable("redis: answer.request-lost")
        await world.redis.results.write(answers)
        await process.reach("answer.after")
        if world.chance.hits("answer.reply-lost"):
            raise Unavailable("redis: answer.reply-lost")
