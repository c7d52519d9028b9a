"""A run's world: clients, processes and their groups, servers, and what befalls them."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from feature_store.fence import Fence, StoreUnavailable, Turn, decode_fence
from models.errors import Unavailable
from producer.records import (
    DEAD_LETTER,
    OutRecord,
    Record,
    actions_topic,
    decisions_topic,
    events_topic,
)
from stream_agents.answers import MemoryResults
from stream_agents.metrics import StageMetrics
from stream_agents.stage import Folded, Stage
from tests.simulation import domain
from tests.simulation.chance import HAPPENING, Chance
from tests.simulation.lineage import Node
from tests.simulation.process import Process, ProcessResults
from tests.simulation.servers import Place, Redis, SimBroker, SimStore
from tests.simulation.traffic import BEGINNING_MS, Traffic, encoded

PARTITIONS = 3
PROCESSES = 2
"""Of each stage, as a run begins."""
MOST_PROCESSES = 4
DRAINED_WITHIN_S = 300.0
STAGES = ("ingestion", "decision")


class Alarms(StageMetrics):
    """A stage's metrics that count alarms alone: the others cost more than folding a chunk."""

    def __init__(self, stage: str) -> None:
        super().__init__(domain.NAME, stage, PARTITIONS, clock=lambda: 0.0)
        self.alarms = Counter[str]()

    def alarm(self, kind: str) -> None:
        self.alarms[kind] += 1

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        yield

    def folded(self, records: Sequence[Record], folded: Folded) -> None:
        self.alarms.update(folded.alarms)

    def taken_over(self, partition: int, fence: Fence) -> None:
        """Not told."""

    def committed(self, partition: int, fence: Fence) -> None:
        """Not told."""


@cache
def metrics_of(stage: str) -> Alarms:
    """Made once for all runs."""
    return Alarms(stage)


class World:
    """Everything of one run.

    Args:
        records: That clients send.
        tracing: Whether to keep what happens, to be read by a person.
    """

    def __init__(self, seed: int, records: int, *, tracing: bool = False) -> None:
        self.chance = Chance(seed)
        draw = self.chance.random
        self.records = records
        self.remembered = draw.choice((8, 32, 4096))
        self.is_mixed = draw.random() < 0.3
        self.trace: list[str] = []
        self.failures: list[str] = []
        self.errors: list[BaseException] = []
        self._tracing = tracing
        self.topics = {
            "ingestion": events_topic(domain.NAME),
            "decision": decisions_topic(domain.NAME),
        }
        self.actions = actions_topic(domain.NAME)
        self.broker = SimBroker(self.now_ms)
        for topic in (*self.topics.values(), self.actions):
            self.broker.create(topic, PARTITIONS)
        self.broker.create(DEAD_LETTER, 1)
        self.broker.arrived = self._arrived
        keep_s = domain.KEEP.total_seconds()
        stores = {
            "ingestion": SimStore(self.now_s, keep_s),
            "decision": SimStore(self.now_s, 1e9),
        }
        self.redis = Redis(stores, MemoryResults())
        self.metrics = {stage: metrics_of(stage) for stage in STAGES}
        for metrics in self.metrics.values():
            metrics.alarms.clear()
        self.processes: dict[str, list[Process]] = {stage: [] for stage in STAGES}
        self.traffic = Traffic(self.chance, PARTITIONS, self.now_s)
        self.nodes: dict[tuple[str, Place], tuple[Node, str]] = {}
        """By topic and place of an outcome: what it was made of, and by which version."""
        self.outcomes: defaultdict[tuple[str, Place], list[Place]] = defaultdict(list)
        """By topic and place of a source record: the places of its outcomes on the next topic."""
        self.early: list[tuple[str, Node]] = []
        """Committed before their outcome was out: a stage and a record."""
        self._kafka_back = self._redis_back = 0.0
        self._is_over = False
        self._born = Counter[str]()
        self._lost_once = False
        enabled = draw.random() * 0.6
        self.eventful = draw.choice((0.05, 0.1, 0.3))
        self.happening = [what for what in HAPPENING if draw.random() < enabled]
        # A fold that is done again after an entity's time to live is not promised to be the same.
        may_be_late = {"redis.tail-lost", "redis.emptied"} & set(self.happening)
        is_exact = not may_be_late and not self.chance.may_happen("fetch.skipped")
        self.silences = (20.0, 100.0, 700.0, 4000.0) if is_exact else (20.0, 100.0, 700.0)

    def now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def now_ms(self) -> int:
        return BEGINNING_MS + round(self.now_s() * 1000)

    def note(self, who: str, what: str) -> None:
        if self._tracing:
            self.trace.append(f"{self.now_s():10.4f}  {who:<14} {what}")

    def broken(self, what: str, error: BaseException | None = None) -> None:
        """Something was seen that must never be."""
        self.note("BROKEN", what)
        self.failures.append(what)
        if error is not None:
            self.errors.append(error)

    async def run(self) -> None:
        for stage in STAGES:
            for _ in range(PROCESSES):
                self.join(stage)
        await self._send()
        await self._drain()

    def join(self, stage: str) -> None:
        """Another process of a stage starts."""
        if self._is_over:
            return
        self._born[stage] += 1
        versions = {"ingestion": ("sim-a", "sim-b"), "decision": ("policy-a", "policy-b")}[stage]
        version = self.chance.random.choice(versions) if self.is_mixed else versions[0]
        process = Process(self, stage, f"{stage}-{self._born[stage]}", version)
        self.note(process.name, f"starts, {version}")
        self.processes[stage].append(process)
        process.start()
        self.rebalance(stage)

    def stage_of(self, process: Process) -> Stage:
        if process.stage == "ingestion":
            return domain.detection(process.version)
        return domain.decision(process.version, ProcessResults(process))

    def rebalance(self, stage: str) -> None:
        """The group shares the partitions out anew."""
        members = [process for process in self.processes[stage] if process.is_member]
        if not members:
            return
        partitions = list(range(PARTITIONS))
        self.chance.random.shuffle(partitions)
        self.chance.random.shuffle(members)
        for number, process in enumerate(members):
            process.reassign(partitions[number :: len(members)])

    def died(self, process: Process) -> None:
        """The group notices after a while, and a supervisor starts the process again."""
        if process.is_alive:
            self._gone(process)
            draw = self.chance.random.random
            self.later(2 * draw(), lambda: self.rebalance(process.stage))
            self.later(4 * draw(), lambda: self.join(process.stage))

    def left(self, process: Process) -> None:
        """A process has stopped as it was told, and another takes its place."""
        self._gone(process)
        self.rebalance(process.stage)
        self.later(self.chance.random.random(), lambda: self.join(process.stage))

    def later(self, after_s: float, call: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(after_s, call)

    def need_kafka(self) -> None:
        if self.now_s() < self._kafka_back:
            raise Unavailable("kafka: away")

    def need_redis(self) -> None:
        if self.now_s() < self._redis_back:
            raise StoreUnavailable("redis: away")

    def emitted(self, process: Process, record: OutRecord) -> None:
        """Puts an outcome into its topic, and notes what it was made of."""
        written = self.broker.produce(record.topic, record.partition, record.value, record.headers)
        if record.topic == DEAD_LETTER:
            return
        source = int(dict(record.headers)["source-offset"])
        origin = (process.epoch, record.partition, source)
        place = (self.broker.topics[record.topic].id, written.partition, written.offset)
        node = process.latest[record.partition, source]
        self.nodes[record.topic, place] = (node, process.version)
        if self.outcomes[process.topic, origin]:
            self.chance.met("record.repeated")
        self.outcomes[process.topic, origin].append(place)
        self.note(process.name, f"emits {record.topic} {place[1]}-{place[2]} of {source}")

    def about_to_commit(self, process: Process, turn: Turn, head: Node | None) -> None:
        """Notes records that are committed before their outcome is out."""
        if turn.commit is None or head is None:
            return
        fence = decode_fence(turn.commit.fence)
        assert fence is not None
        self.note(process.name, f"commits {turn.partition} at {fence.offset}")
        store = self.redis.stores[process.stage]
        if store.memory.fences.get(turn.partition, b"") != turn.commit.expected:
            return
        for node in head.since(store.head(turn.partition)):
            assert node.record is not None
            place = (node.epoch, turn.partition, node.record.offset)
            if (process.topic, place) not in self.outcomes:
                self.early.append((process.stage, node))

    def _gone(self, process: Process) -> None:
        process.end()
        self.processes[process.stage].remove(process)

    def _arrived(self, topic: str) -> None:
        for stage, of in self.topics.items():
            if of == topic:
                for process in self.processes[stage]:
                    process.wake.set()

    async def _send(self) -> None:
        """Clients send their records; one who hears no acknowledgement sends again."""
        draw = self.chance.random
        while self.traffic.made < self.records:
            sent = self.traffic.record()
            times = 2 if self.chance.hits("publish.ack-lost") else 1
            for _ in range(times):
                self.broker.produce(
                    self.topics["ingestion"], sent.partition, sent.value, sent.headers
                )
            if draw.random() < self.traffic.odd * 0.05:
                self._foreign()
            if self.happening and draw.random() < self.eventful:
                self._befall()
            await asyncio.sleep(self._pause_s())
        await asyncio.sleep(1.0)

    def _foreign(self) -> None:
        """Somebody else writes to the topic between the stages."""
        self.chance.met("input.foreign")
        partition = self.chance.random.randrange(PARTITIONS)
        self.broker.produce(self.topics["decision"], partition, b"not an outcome")

    def _pause_s(self) -> float:
        draw = self.chance.random
        kind = draw.random()
        if kind < 0.5:
            return 0.0
        if kind < 0.985:
            return 0.8 * draw.random()
        self.chance.met("input.silence")
        return draw.choice(self.silences)

    def _befall(self) -> None:
        what = self.chance.random.choice(self.happening)
        self.note("world", what)
        if self._happens(what):
            self.chance.met(what)

    def _happens(self, what: str) -> bool:
        kind, _, how = what.partition(".")
        stage = self.chance.random.choice(STAGES)
        if kind == "rebalance":
            self.rebalance(stage)
        elif kind == "process":
            return self._to_a_process(stage, how)
        elif kind == "kafka":
            self._kafka_back = self.now_s() + self.chance.random.choice((0.5, 5.0))
        elif kind == "redis":
            self._to_redis(how)
        elif how == "trimmed":
            return self._trim(f"{kind}.{domain.NAME}")
        else:
            self._recreate("ingestion" if kind == "events" else "decision")
        return True

    def _to_a_process(self, stage: str, how: str) -> bool:
        members = [process for process in self.processes[stage] if process.is_member]
        if how == "added":
            if len(members) >= MOST_PROCESSES:
                return False
            self.join(stage)
            return True
        if not members:
            return False
        process = self.chance.random.choice(members)
        self.note(process.name, f"is {how}")
        if how == "killed":
            self.died(process)
        elif how == "stopped":
            process.stop()
        else:
            self._freeze(process)
        return True

    def _freeze(self, process: Process) -> None:
        """The process sleeps; the group gives its partitions to others, until it wakes."""
        length_s = 6 * self.chance.random.random()
        process.frozen_until = self.now_s() + length_s
        self.later(1.0, lambda: self._excluded(process))
        self.later(length_s + self.chance.random.random(), lambda: self._taken_back(process))

    def _excluded(self, process: Process) -> None:
        if process.is_alive and process.frozen_until > self.now_s():
            process.is_member = False
            self.rebalance(process.stage)

    def _taken_back(self, process: Process) -> None:
        if process.is_alive and not process.is_member:
            process.is_member = True
            self.rebalance(process.stage)

    def _to_redis(self, how: str) -> None:
        if how == "away":
            self._redis_back = self.now_s() + self.chance.random.choice((0.2, 1.0, 8.0))
        elif how == "emptied":
            self.redis.clear()
        else:
            before = self.redis.snapshot()
            self.later(2 * self.chance.random.random(), lambda: self.redis.restore(before))

    def _trim(self, topic: str) -> bool:
        partition = self.chance.random.randrange(PARTITIONS)
        end = self.broker.ends(topic)[partition]
        if not end:
            return False
        offset = self.chance.random.randrange(end) + 1
        self.note("world", f"{topic}: nothing before {partition}-{offset}")
        self.broker.trim(topic, partition, offset)
        self._lost_once = True
        return True

    def _recreate(self, stage: str) -> None:
        """The topic is deleted and created again; its readers are started again, as they must."""
        for process in list(self.processes[stage]):
            self._gone(process)
        self.broker.create(self.topics[stage], PARTITIONS)
        self._lost_once = True
        for _ in range(PROCESSES):
            self.join(stage)

    @property
    def has_lost_records(self) -> bool:
        """Whether the log has ever lost what it had."""
        return self._lost_once

    async def _drain(self) -> None:
        """Nothing befalls anybody any more: all that is in the log must be answered."""
        self.chance.is_quiet = True
        self._kafka_back = self._redis_back = 0.0
        self.note("world", "is quiet")
        # An idle process need not notice what became of the store: a restart or a record tells it.
        if self.chance.random.random() < 0.5:
            for stage in STAGES:
                for process in list(self.processes[stage]):
                    self._gone(process)
                for _ in range(PROCESSES):
                    self.join(stage)
        await asyncio.sleep(10.0)
        for process in (each for stage in STAGES for each in self.processes[stage]):
            if process.is_alive and process.rests_uncommitted:
                self.broken(f"{process.name} rests with a chunk that is not committed")
        deadline = self.now_s() + DRAINED_WITHIN_S
        last = 0
        while self.now_s() < deadline:
            if last < 2:
                self._send_to_all(last)
                last += 1
            await asyncio.sleep(5.0)
            if last == 2 and self._is_drained():
                break
        else:
            self.broken("not all that is in the log has been folded and committed")
        self._is_over = True

    def _send_to_all(self, number: int) -> None:
        """An event to each partition: an idle worker looks at its fence with the next one only."""
        for stage, topic in self.topics.items():
            for partition in range(PARTITIONS):
                event = {
                    "occurred_at": "2026-01-01T00:00:00Z",
                    "entity": f"e{partition}-last",
                    "event_id": f"last-{number}",
                }
                value = b"not an outcome" if stage == "decision" else encoded(event)
                self.broker.produce(topic, partition, value)

    def _is_drained(self) -> bool:
        return all(self._is_folded(stage, p) for stage in STAGES for p in range(PARTITIONS))

    def _is_folded(self, stage: str, partition: int) -> bool:
        topic = self.broker.topics[self.topics[stage]]
        fence = decode_fence(self.redis.stores[stage].memory.fences.get(partition, b""))
        return (
            fence is not None
            and fence.epoch == topic.id
            and fence.offset == topic.ends[partition] - 1
        )
