"""Whether the books of a run balance, and whether all of it is what the oracle says."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from feature_store.columns import TextColumn
from feature_store.fence import Fence, decode_fence
from feature_store.kernel import WindowKernel
from feature_store.text import hash64
from producer.records import DEAD_LETTER, Record
from stream_agents.standings import NAMES, decoded
from tests.simulation import domain, oracle
from tests.simulation.lineage import Node
from tests.simulation.oracle import Answers, DecisionFold, DetectionFold, Expected
from tests.simulation.world import PARTITIONS, STAGES, World

KERNEL = WindowKernel(domain.FEATURES)
UNTOLD = ("reasons", "error")
"""Fields of a line that are words about the others."""


def check(world: World) -> None:
    """Adds to the world's failures whatever is wrong with it now that it is at rest."""
    for problem in Books(world).problems():
        world.broken(problem)


class Books:
    """The books of a run at rest."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._folds: dict[tuple[str, int], DetectionFold | DecisionFold] = {}

    def problems(self) -> Iterator[str]:
        for stage in STAGES:
            for partition in range(PARTITIONS):
                yield from self._partition(stage, partition)
        yield from self._alarms()
        yield from self._outcomes()
        yield from self._dead_letters()
        yield from self._answered()
        yield from self._results()
        yield from self._copies()
        yield from self._early()

    def _partition(self, stage: str, partition: int) -> Iterator[str]:
        """A partition's fence, states and ids, against the log folded from nothing."""
        where, store = f"{stage} {partition}", self._world.redis.stores[stage]
        stored = decode_fence(store.memory.fences.get(partition, b""))
        if stored is None:
            yield f"{where}: nothing was ever committed"
            return
        head = store.head(partition)
        fold = DetectionFold(self._world.remembered) if stage == "ingestion" else DecisionFold()
        self._folds[stage, partition] = oracle.foretell(head, fold)
        yield from self._in_order(where, stage, partition, head)
        if dict(totals_of(stored)) != {name: fold.totals[name] for name in totals_of(stored)}:
            yield f"{where}: totals {totals_of(stored)}, expected {dict(fold.totals)}"
        lines = sum(len(lines_of(node.record)) for node in head.path() if not is_repeat(node))
        if sum(totals_of(stored).values()) != lines:
            yield f"{where}: {totals_of(stored)} do not add up to {lines} lines"
        if isinstance(fold, DetectionFold):
            yield from self._ids(where, partition, stored, fold)
            yield from self._entities(where, partition, head, fold)
        else:
            yield from self._standings(where, partition, stored, fold)

    def _in_order(self, where: str, stage: str, partition: int, head: Node) -> Iterator[str]:
        """Each record once and in order; what is left out must be lost, and its gap told."""
        following, epoch, gaps = 0, "", 0
        topic = self._world.topics[stage]
        for node in head.path():
            assert node.record is not None
            following = following if node.epoch == epoch else 0
            epoch = node.epoch
            if node.record.offset < following:
                yield f"{where}: {node.record.offset} was folded again"
            for missing in range(following, node.record.offset):
                if not self._world.broker.is_lost(topic, (epoch, partition, missing)):
                    yield f"{where}: {epoch} {missing} was left out"
            gaps += node.record.offset > following
            following = node.record.offset + 1
        if gaps > self._world.metrics[stage].alarms["gap"]:
            yield f"{where}: {gaps} gaps, {self._world.metrics[stage].alarms['gap']} alarms"

    def _ids(self, where: str, partition: int, stored: Fence, fold: DetectionFold) -> Iterator[str]:
        ring = bytes(self._world.redis.stores["ingestion"].memory.rings.get(partition, b""))
        size = self._world.remembered
        expected = np.zeros(size, np.uint64)
        first = fold.seen - len(fold.ids)
        places = (first + np.arange(len(fold.ids))) % size
        expected[places] = hash64(TextColumn.of(list(fold.ids)))
        found = np.frombuffer(ring, np.uint64)
        count = min(fold.seen, size)
        if stored.seen != fold.seen or not np.array_equal(found[:count], expected[:count]):
            yield f"{where}: other event ids are remembered than expected"
        if fold.seen > size:
            self._world.chance.met("ring.full")

    def _entities(
        self, where: str, partition: int, head: Node, fold: DetectionFold
    ) -> Iterator[str]:
        """Stored states, bit by bit as one fold of everything leaves them, and their features."""
        store = self._world.redis.stores["ingestion"]
        found = {e: s for (p, e), s in store.memory.states.items() if p == partition and s}
        expected = folded_at_once(head)
        for entity in sorted(expected.keys() | found.keys()):
            touched = store.touched.get((partition, entity), -1e18)
            if found.get(entity) == expected.get(entity):
                continue
            if entity in expected and self._world.now_s() - touched > store.keep_s:
                continue
            yield f"{where}: the state of {entity} is not what its events make"
        yield from self._copies_held(where, partition)

    def _copies_held(self, where: str, partition: int) -> Iterator[str]:
        """A worker's copy is the stored state as long as the stored fence is the one it left."""
        store = self._world.redis.stores["ingestion"]
        for process in self._world.processes["ingestion"]:
            held = process.worker._held.get(partition)
            if held is None or held.stored != store.memory.fences.get(partition, b""):
                continue
            for entity, state in held.recent:
                stored = store.memory.states.get((partition, entity), b"")
                if stored and state != stored:
                    yield f"{where}: {process.name} holds another state of {entity}"

    def _standings(
        self, where: str, partition: int, stored: Fence, fold: DecisionFold
    ) -> Iterator[str]:
        states = self._world.redis.stores["decision"].memory.states
        shards = (decoded(states.get((partition, name), b"")) for name in NAMES)
        found = {
            entity: (each.action, each.until, each.strikes, each.at)
            for shard in shards
            for entity, each in shard.standings.items()
        }
        expected = {
            entity: (each.action, each.until, each.strikes, each.at)
            for entity, each in fold.standings.items()
        }
        if found != expected:
            yield f"{where}: standings {found}, expected {expected}"
        upstream = stored.upstream.get(str(partition))
        told = (upstream.epoch, upstream.offset) if upstream else None
        if told != fold.upstream:
            yield f"{where}: applied {told} of the stage before, expected {fold.upstream}"

    def _alarms(self) -> Iterator[str]:
        for stage in STAGES:
            alarms = self._world.metrics[stage].alarms
            for kind in ("gap", "epoch"):
                if alarms[kind]:
                    self._world.chance.met(f"{kind}.alarmed")
                    if not self._world.has_lost_records:
                        yield f"{stage}: alarm {kind!r} where nothing was lost"
            if alarms["upstream-gap"] and not self._world.has_lost_records:
                yield f"{stage}: alarm 'upstream-gap' where nothing was lost"
            if alarms["poison"]:
                self._world.chance.met("poison.found")

    def _outcomes(self) -> Iterator[str]:
        """Each outcome that was ever emitted, against the oracle at the place where it was made."""
        for (topic, place), (node, version) in self._world.nodes.items():
            is_first = topic == self._world.topics["decision"]
            self._foretell("ingestion" if is_first else "decision", node)
            record = self._world.broker.ever[topic][place]
            expected = lines_expected(node.expected, version)
            found = [told(line) for line in record.value.split(b"\n") if line.strip()]
            yield from self._differences(f"{topic} {place}", found, expected)

    def _differences(
        self, where: str, found: list[dict[str, Any]], expected: list[dict[str, Any]]
    ) -> Iterator[str]:
        """Where a part of the past is lost, an answer may say so, and is not the mildest then."""
        if len(found) != len(expected):
            yield f"{where}: {len(found)} outcomes, expected {len(expected)}"
            return
        for one, other in zip(found, expected, strict=True):
            if self._world.has_lost_records:
                other = mildest_but(other, "degraded" in one)
                one.pop("degraded", None)
            if one != other:
                yield f"{where}: {one}, expected {other}"

    def _copies(self) -> Iterator[str]:
        """What is emitted again after a crash is the same, to the byte."""
        first: dict[tuple[str, Node, str], bytes] = {}
        for (topic, place), (node, version) in self._world.nodes.items():
            value = self._world.broker.ever[topic][place].value
            if first.setdefault((topic, node, version), value) != value:
                yield f"{topic} {place}: not byte for byte what was emitted before"

    def _dead_letters(self) -> Iterator[str]:
        """Each dead line has a letter that names its place, and nothing else has one."""
        letters = set()
        for record in self._world.broker.ever[DEAD_LETTER].values():
            named = {name: value.decode() for name, value in record.headers}
            letters.add((named["topic"], named["partition"], named["offset"], named["line"]))
        expected, must = set(), set()
        for (topic, place), (node, version) in self._world.nodes.items():
            assert node.record is not None
            source = self._world.topics["decision" if topic == self._world.actions else "ingestion"]
            answered = topic == self._world.actions
            for number, line in enumerate(lines_expected(node.expected, version)):
                if line["outcome"] != "dead" or (answered and is_outcome(node.record, number)):
                    continue
                where = (source, str(place[1]), str(node.record.offset), str(number))
                expected.add(where)
                # A crash between outcome and letter is made good, unless the log lost the record.
                origin = (node.epoch, place[1], node.record.offset)
                if not self._world.broker.is_lost(source, origin):
                    must.add(where)
        if missing := must - letters:
            yield f"dead letters are missing: {sorted(missing)}"
        if more := letters - expected:
            yield f"dead letters about what is not dead: {sorted(more)}"

    def _answered(self) -> Iterator[str]:
        """Every event that came has its answer, unless the log lost it on its way."""
        world = self._world
        for place in world.broker.ever[world.topics["ingestion"]]:
            copies = world.outcomes.get((world.topics["ingestion"], place), [])
            if any((world.topics["decision"], copy) in world.outcomes for copy in copies):
                continue
            is_lost = world.broker.is_lost(world.topics["ingestion"], place) or any(
                world.broker.is_lost(world.topics["decision"], copy) for copy in copies
            )
            if not is_lost:
                yield f"the event at {place} was never answered, its outcomes: {copies}"

    def _results(self) -> Iterator[str]:
        """Who waits has the answer to the first record of the batch's part."""
        world, batches = self._world, self._world.redis.results.batches
        first: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for partition in range(PARTITIONS):
            for node in world.redis.stores["decision"].head(partition).path():
                assert node.record is not None
                headers = {name: value.decode() for name, value in node.record.headers}
                if "reply" in headers and not is_repeat(node):
                    key = (headers["batch"], headers["part"])
                    first.setdefault(key, lines_expected(node.expected, ""))
        emitted = self._emitted()
        for (batch, part), expected in first.items():
            lines = batches.get(batch, {}).get(part)
            if lines is None:
                # What Redis loses between an answer and its commit is lost to who waits, not to
                # the log: the commit need not notice.
                if batch not in world.redis.forgotten:
                    yield f"{batch} was never answered"
            # What was answered before the log lost a part of the past stands; and where Redis lost
            # the answer to the first record, that to a repeat of it.
            elif lines in emitted[batch, part] and (
                world.has_lost_records or batch in world.redis.forgotten
            ):
                continue
            elif not world.is_mixed:
                found = [told(line) for line in lines.split(b"\n") if line]
                yield from self._differences(batch, found, expected)

    def _emitted(self) -> Mapping[tuple[str, str], set[bytes]]:
        """By batch and part, all answers that ever came out; each is held against the oracle."""
        emitted: defaultdict[tuple[str, str], set[bytes]] = defaultdict(set)
        for (topic, place), (node, _) in self._world.nodes.items():
            assert node.record is not None
            headers = {name: value.decode() for name, value in node.record.headers}
            if topic == self._world.actions and "batch" in headers:
                value = self._world.broker.ever[topic][place].value
                emitted[headers["batch"], headers["part"]].add(value)
        return emitted

    def _early(self) -> Iterator[str]:
        for stage, node in self._world.early:
            self._foretell(stage, node)
            if not is_repeat(node):
                place = f"{node.record.partition}-{node.record.offset}" if node.record else ""
                yield f"{stage}: {node.epoch} {place} was committed before its outcome was out"

    def _foretell(self, stage: str, node: Node) -> None:
        if node.expected is None:
            is_first = stage == "ingestion"
            fold = DetectionFold(self._world.remembered) if is_first else DecisionFold()
            oracle.foretell(node, fold)


def totals_of(fence: Fence) -> Mapping[str, int]:
    return {name: getattr(fence, name) for name in ("decided", "duplicate", "late", "dead")}


def lines_of(record: Record | None) -> Sequence[bytes]:
    return [line for line in record.value.split(b"\n") if line.strip()] if record else []


def is_repeat(node: Node) -> bool:
    return isinstance(node.expected, Answers) and node.expected.lines is None


def is_outcome(record: Record, number: int) -> bool:
    """Whether a line of `decisions.sim` could be read: its event may be dead, it is not."""
    try:
        json.loads(lines_of(record)[number])
    except ValueError:
        return False
    return True


def lines_expected(expected: Any, version: str) -> list[dict[str, Any]]:
    """The lines of an outcome as the oracle foretells them; none of a repeat."""
    if isinstance(expected, Answers):
        return expected.lines or []
    lines: list[Expected] = expected
    return [line.scored(version) for line in lines]


def mildest_but(line: dict[str, Any], is_degraded: bool) -> dict[str, Any]:
    """What is expected of a line, if less was known of it than should be."""
    line = {name: value for name, value in line.items() if name != "degraded"}
    if is_degraded and line.get("action") == "allow":
        line["action"] = "alert"
    return line


def told(line: bytes) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(line)
    for name in UNTOLD:
        found.pop(name, None)
    return found


def folded_at_once(head: Node) -> dict[str, bytes]:
    """The states that one fold of all decided events of a path leaves."""
    events: list[domain.SimEvent] = []
    for node in head.path():
        for line, expected in zip(lines_of(node.record), node.expected, strict=True):
            if expected.outcome == "decided":
                events.append(msgspec.json.decode(line, type=domain.SimEvent))
    if not events:
        return {}
    names = list(dict.fromkeys(event.entity for event in events))
    entity_of = np.array([names.index(event.entity) for event in events], np.int32)
    inputs = KERNEL.inputs(domain.columns(events))
    folded = KERNEL.fold([b""] * len(names), entity_of, inputs)
    return dict(zip(names, folded.states, strict=True))
