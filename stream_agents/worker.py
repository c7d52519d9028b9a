"""The loop: read, fold, emit, commit, strictly one chunk after another.

It knows neither Faust nor Kafka nor Redis. Agents and the simulator run this very loop over
different logs and stores.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import structlog
from msgspec.structs import replace

from feature_store.fence import Commit, Fence, OnlineStore, StoreUnavailable, Turn, decode_fence
from feature_store.seen import SeenIds
from feature_store.state import UnreadableState
from models.errors import Unavailable
from producer.records import OutRecord, Record
from stream_agents.gaps import gap_before, is_unplaced, of_new_topic
from stream_agents.journal import tell
from stream_agents.metrics import StageMetrics
from stream_agents.recent import RecentStates
from stream_agents.stage import Change, Decoded, Folded, Memory, Place, Stage, find_poison

log = structlog.get_logger(__name__)
T = TypeVar("T")


class Log(Protocol):
    """The transport under a worker. Its methods raise `Unavailable` when Kafka is away."""

    async def emit(self, records: Sequence[OutRecord]) -> None:
        """Returns when every record is acknowledged by the broker."""

    async def seek(self, offsets: Mapping[int, int]) -> None:
        """Reads each partition on from the offset given."""

    async def next_offset(self, partition: int, offset: int) -> int:
        """The offset of the first record at or after the one given, asked of the broker itself."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a worker remembers, and how long it waits for a part that is away.

    Args:
        cached_entities: At most, per partition; the others are read from the store again.
        seen_ids: D, the event ids remembered per partition; part of the stored state.
        deadline_s: For one call of the store or the log with its retries; then the process ends.
    """

    cached_entities: int = 50_000
    seen_ids: int = 65_536
    deadline_s: float = 60.0


@dataclass(slots=True)
class Holding:
    """A worker's copy of one partition; true as long as the stored fence is `stored`."""

    stored: bytes
    fence: Fence
    seen: SeenIds
    recent: RecentStates
    pending: Commit | None = None

    def committed(self, stored: bytes) -> None:
        self.stored = stored
        self.pending = None

    def note_gap(self, expected: int, record: Record) -> None:
        """The next record does not follow what was folded; committed with what comes of it."""
        self.fence = replace(self.fence, gap=gap_before(record, expected, self.fence))

    def hold(self, change: Change) -> None:
        """Takes a chunk's changes over, to be committed with the next exchange."""
        seen = self.seen.written_since(self.fence.seen)
        self.pending = Commit(self.stored, change.fence.encoded(), change.states, seen)
        self.fence = change.fence
        # They grow old at most once before they are committed: none is forgotten till then.
        self.recent.young.update(change.states)
        self.recent.grow_old()


class _BreaksOurCode(Exception):
    """Something in a chunk of several records does; nothing of it was emitted or held."""


class Worker:
    """Owns the partitions assigned to it and folds their records into the store.

    Args:
        stage: The pure part: records and states in, outcomes and states out.
        epoch: Id of the topic that the records come from.
        writer: Of this process, unlike any other's.
    """

    def __init__(
        self,
        stage: Stage,
        store: OnlineStore,
        transport: Log,
        epoch: str,
        metrics: StageMetrics,
        limits: Limits | None = None,
        writer: str = "",
    ) -> None:
        self._stage = stage
        self._writer = writer
        self._store = store
        self._log = transport
        self._epoch = epoch
        self._metrics = metrics
        self._limits = limits or Limits()
        self._held: dict[int, Holding] = {}
        self._retries = 0

    @property
    def epoch(self) -> str:
        """Id of the topic that the records come from."""
        return self._epoch

    @property
    def offsets(self) -> dict[int, int]:
        """Per partition, the offset of the newest record folded."""
        # Another thread asks too, while partitions come and go: it walks through a copy.
        return {partition: held.fence.offset for partition, held in tuple(self._held.items())}

    @property
    def has_uncommitted(self) -> bool:
        return any(held.pending for held in self._held.values())

    @property
    def retries(self) -> int:
        """How often it has tried again: a part that was away, a chunk without what breaks our code.

        It ends both by itself: at its deadline, and with the chunk's last line.
        """
        return self._retries

    async def assigned(self, partitions: Collection[int]) -> dict[int, int]:
        """Takes partitions over; returns the offset to read each from: its fence + 1."""
        for partition in partitions:
            self._held[partition] = await self._load(partition)
            self._metrics.taken_over(partition, self._held[partition].fence)
        return {partition: self._held[partition].fence.offset + 1 for partition in partitions}

    def revoked(self, partitions: Iterable[int]) -> None:
        for partition in partitions:
            self._held.pop(partition, None)
            self._metrics.left(partition)

    async def process(
        self, records: Sequence[Record], within: Collection[int] | None = None
    ) -> None:
        """Folds what has queued up, commits the chunk before it, and emits the outcomes.

        Args:
            within: The partitions that this call may touch, none of them another's that goes on
                at the same time; None for all.
        """
        within = self._held.keys() if within is None else within
        try:
            await self._process(records, within)
        except _BreaksOurCode:
            # How the log is cut changes no outcome: lines are tried within one record alone.
            for record in sorted(records, key=lambda record: (record.partition, record.offset)):
                await self._process([record], within)

    async def _process(self, records: Sequence[Record], within: Collection[int]) -> None:
        wanted = await self._in_order(records)
        while wanted:
            holdings = {record.partition: self._held[record.partition] for record in wanted}
            with self._metrics.step("decode"):
                chunk, poisoned = await self._decode(wanted)
            lost = self._gone(holdings)
            if not lost:
                lost = await self._exchange(self._missing(wanted, chunk), within)
            if not lost:
                lost = await self._fold_and_emit(wanted, chunk, poisoned, holdings)
            if not lost:
                return
            wanted = [record for record in wanted if record.partition not in lost]

    async def settle(self, within: Collection[int] | None = None) -> None:
        """Commits the last chunk alone; for when nothing more has queued."""
        within = self._held.keys() if within is None else within
        if any(held.pending for partition, held in self._held.items() if partition in within):
            await self._exchange({}, within)

    async def _load(self, partition: int) -> Holding:
        stored, ring = await self._reliably(lambda: self._store.load(partition))
        fence = decode_fence(stored) or Fence(self._epoch, layout=self._stage.layout)
        if fence.layout != self._stage.layout:
            return await self._start_again(partition, stored, fence)
        if fence.epoch != self._epoch:
            log.error("topic was created again", partition=partition, was=fence.epoch)
            self._metrics.alarm("epoch")
            fence = of_new_topic(fence, self._epoch)
        seen = SeenIds(self._limits.seen_ids, ring, fence.seen)
        return Holding(stored, replace(fence, writer=self._writer), seen, self._recent())

    def _recent(self) -> RecentStates:
        return RecentStates(self._limits.cached_entities)

    async def _start_again(self, partition: int, stored: bytes, fence: Fence) -> Holding:
        """Forgets states of another layout; the log is then folded again from its beginning."""
        layout = self._stage.layout
        log.error("states of another layout", partition=partition, was=fence.layout, now=layout)
        self._metrics.alarm("layout")
        # The fence moves first: from then on nobody can write a state of the other layout.
        fresh = Fence(self._epoch, writer=self._writer)
        turn = Turn(partition, Commit(stored, fresh.encoded()))
        [reply] = await self._reliably(lambda: self._store.exchange([turn]))
        if reply.fence != fresh.encoded():
            return await self._load(partition)
        await self._reliably(lambda: self._store.forget(partition))
        seen = SeenIds(self._limits.seen_ids)
        return Holding(reply.fence, replace(fresh, layout=layout), seen, self._recent())

    async def _in_order(self, records: Sequence[Record]) -> list[Record]:
        """The records that continue each partition's log; the rest was applied or is ahead."""
        wanted: list[Record] = []
        before = dict(self._held)
        following = {partition: held.fence.offset + 1 for partition, held in before.items()}
        rewound: dict[int, int] = {}
        unplaced = {p for p, held in before.items() if is_unplaced(held.fence)}
        begun = set[int]()
        for record in sorted(records, key=lambda record: (record.partition, record.offset)):
            partition = record.partition
            if partition not in following or partition in rewound:
                continue
            if record.offset < following[partition]:
                continue
            if record.offset > following[partition]:
                is_next = await self._is_next(following[partition], record)
                is_lost = is_next and await self._is_first(record)
                # A gap begins a chunk: the records before it must not know of it.
                if not is_next or (is_lost and partition in begun):
                    rewound[partition] = following[partition]
                    continue
                if is_lost:
                    self._report_gap(following[partition], record)
                    unplaced.add(partition)
            if partition in unplaced:
                unplaced.remove(partition)
                before[partition].note_gap(following[partition], record)
            begun.add(partition)
            following[partition] = record.offset + 1
            wanted.append(record)
        if rewound:
            await self._log.seek(rewound)
        # A partition that left meanwhile is not ours; one that came back is read from its new copy.
        return [r for r in wanted if self._held.get(r.partition) is before[r.partition]]

    async def _is_next(self, expected: int, record: Record) -> bool:
        """Whether the log holds nothing between what was folded and a record."""
        partition = record.partition
        found = await self._reliably(lambda: self._log.next_offset(partition, expected))
        # Else it is what was under way when we sought back.
        return found >= record.offset

    async def _is_first(self, record: Record) -> bool:
        """Whether the log begins with a record: what stood before it was lost.

        Elsewhere an offset without a record never had one of ours: a transaction's end has one.
        """
        partition = record.partition
        return await self._reliably(lambda: self._log.next_offset(partition, 0)) >= record.offset

    def _report_gap(self, expected: int, record: Record) -> None:
        place = {"partition": record.partition, "next_in_log": record.offset}
        log.error("gap in the log", expected=expected, **place)
        self._metrics.alarm("gap")

    def _missing(self, records: Sequence[Record], chunk: Decoded) -> dict[int, Sequence[str]]:
        """Per partition, the entities whose state this worker does not hold."""
        # Also of what has dead lines alone: its fence is to be looked at like any other's.
        missing: dict[int, Sequence[str]] = {record.partition: [] for record in records}
        for partition, entities in chunk.entities.items():
            missing[partition] = self._held[partition].recent.missing(entities)
        return missing

    async def _exchange(
        self, read: Mapping[int, Sequence[str]], within: Collection[int]
    ) -> set[int]:
        """Commits what is pending and reads; returns the partitions lost to another worker."""
        asking = {
            p: held for p, held in self._held.items() if p in within and (held.pending or p in read)
        }
        turns = [Turn(p, held.pending, read.get(p, ())) for p, held in asking.items()]
        with self._metrics.step("store"):
            replies = await self._reliably(lambda: self._store.exchange(turns))
        moved = set()
        for turn, reply in zip(turns, replies, strict=True):
            held = asking[turn.partition]
            if reply.fence == (turn.commit.fence if turn.commit else held.stored):
                if turn.commit and self._held.get(turn.partition) is held:
                    self._metrics.committed(turn.partition, held.fence)
                held.committed(reply.fence)
                states = (state or b"" for state in reply.states)
                held.recent.young.update(zip(turn.read, states, strict=True))
            elif self._held.get(turn.partition) is held:
                moved.add(turn.partition)
        if moved:
            await self._start_over(moved)
        return moved | self._gone(asking)

    def _gone(self, owned: Mapping[int, Holding]) -> set[int]:
        """The partitions that have left meanwhile; one that came back has a new copy."""
        return {p for p, held in owned.items() if self._held.get(p) is not held}

    async def _start_over(self, partitions: set[int]) -> None:
        """Another writer moved the fence: drops the copies and reads on from the fence."""
        log.warning("fence moved by another, copy dropped", partitions=sorted(partitions))
        self._metrics.alarm("ownership")
        before = {partition: self._held[partition] for partition in partitions}
        following = {}
        for partition, copy in before.items():
            held = await self._load(partition)
            # A partition that left meanwhile is not ours; one that came back has its new copy.
            if self._held.get(partition) is copy:
                self._held[partition] = held
                self._metrics.taken_over(partition, held.fence)
                following[partition] = held.fence.offset + 1
        await self._log.seek(following)

    async def _fold_and_emit(
        self,
        records: Sequence[Record],
        chunk: Decoded,
        poisoned: Sequence[Place],
        holdings: Mapping[int, Holding],
    ) -> set[int]:
        """Returns the partitions that were lost before anything was emitted; as a rule none."""
        with self._metrics.step("fold"):
            folded = await self._fold(records, chunk, poisoned, holdings)
        if isinstance(folded, set):
            return folded
        with self._metrics.step("emit"):
            await self._reliably(lambda: self._log.emit(folded.records))
        # Emit before commit: a crash here repeats outcomes, the other order would lose them.
        for partition, change in folded.changes.items():
            held = holdings[partition]
            # A partition that left and came back meanwhile has a new copy: not ours to change.
            if self._held.get(partition) is held:
                held.hold(change)
        self._metrics.folded(records, folded)
        with self._metrics.step("answer"):
            await self._reliably(lambda: self._stage.answer(folded))
        tell(records, folded)
        return set()

    async def _decode(self, records: Sequence[Record]) -> tuple[Decoded, list[Place]]:
        try:
            return self._stage.decode(records), []
        except Exception as error:  # whatever our code raises: a stage does no I/O here
            log.error("chunk cannot be decoded, looking for the event", error=repr(error))
            if len(records) > 1:
                raise _BreaksOurCode from error

        def attempt(without: Sequence[Place]) -> None:
            self._retries += 1
            self._stage.decode(records, without)

        poisoned = await find_poison(records, attempt)
        self._report(poisoned)
        return self._stage.decode(records, poisoned), poisoned

    async def _fold(
        self,
        records: Sequence[Record],
        chunk: Decoded,
        poisoned: Sequence[Place],
        holdings: Mapping[int, Holding],
    ) -> Folded | set[int]:
        """Folds; where an event breaks our code, finds it and folds again without it.

        Returns:
            The partitions instead that another has written by then.
        """
        try:
            return self._stage.fold(chunk, memory_of(holdings))
        except UnreadableState:
            raise  # the fault is in the store or in an upgrade, never in an event
        except Exception as error:  # whatever our code raises: a stage does no I/O here
            log.error("chunk failed, looking for the event", error=repr(error))
            failure = error
        if lost := await self._remember_again(holdings):
            return lost
        if len(records) > 1:
            raise _BreaksOurCode from failure

        def attempt(without: Sequence[Place]) -> None:
            self._retries += 1
            trial = self._stage.decode(records, [*poisoned, *without])
            self._stage.fold(trial, memory_of(holdings).copy())

        found = await find_poison(records, attempt)
        if lost := self._gone(holdings):
            return lost
        self._report(found)
        mended = self._stage.decode(records, [*poisoned, *found])
        return self._stage.fold(mended, memory_of(holdings))

    async def _remember_again(self, holdings: Mapping[int, Holding]) -> set[int]:
        """Reads the event ids again, which an attempt has spoilt; returns the partitions lost."""
        moved = set()
        for partition, held in holdings.items():
            stored, ring = await self._reliably(partial(self._store.load, partition))
            held.seen = SeenIds(self._limits.seen_ids, ring, held.fence.seen)
            if stored != held.stored and self._held.get(partition) is held:
                moved.add(partition)
        if moved := moved - self._gone(holdings):
            await self._start_over(moved)
        return self._gone(holdings)

    def _report(self, poisoned: Sequence[Place]) -> None:
        self._metrics.alarm("poison")
        log.error("events dead-lettered", places=[place.text for place in poisoned])

    async def _reliably(self, call: Callable[[], Awaitable[T]]) -> T:
        """Retries while a part is away; past the deadline the error ends the process."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.deadline_s
        pause = 0.05
        while True:
            try:
                return await call()
            except (StoreUnavailable, Unavailable) as error:
                if loop.time() + pause > deadline:
                    raise
                log.warning("waiting for a part that is away", error=str(error))
                self._metrics.alarm("unavailable")
                self._retries += 1
            await asyncio.sleep(pause)
            pause = min(2 * pause, 2.0)


def memory_of(holdings: Mapping[int, Holding]) -> Memory:
    return Memory(
        fences={partition: held.fence for partition, held in holdings.items()},
        seen={partition: held.seen for partition, held in holdings.items()},
        states={partition: held.recent.young for partition, held in holdings.items()},
    )
