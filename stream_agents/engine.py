"""What happens to an event: features, then a score and rules, then an action.

Two pure stages. `Detection` reads `events.<pack>`: event -> features -> score and rules.
`Decision` reads `decisions.<pack>`: score and rules -> action.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from feature_store.columns import Columns, Floats, Ints, Mask
from feature_store.kernel import EventInputs, WindowKernel
from feature_store.text import hash64
from models.artifacts import Champion
from models.contracts import Action, ActionTaken, ScoredEvent
from models.judging import judge
from models.pack import DomainPack
from models.reasons import Explainer
from models.regime import Regime
from producer.records import Record, actions_topic, decisions_topic, events_topic
from stream_agents.answers import Answer, ResultStore
from stream_agents.deciding import Deciding, Finding
from stream_agents.gaps import felt_in, healed
from stream_agents.keeping import to_keep
from stream_agents.kept import DecisionStore
from stream_agents.lines import Lines, read_lines
from stream_agents.outcomes import (
    advance,
    first_copies,
    of_all_lines,
    publish,
    tally_scored,
    tally_taken,
)
from stream_agents.stage import Change, Folded, Memory, Place
from stream_agents.standings import LAYOUT
from stream_agents.standings import NAMES as STANDINGS

NO_SCORE = "the model gave no score"


@dataclass(frozen=True, slots=True)
class EventChunk:
    """Decoded events as columns, with the entities whose states the fold will want.

    Args:
        names: Each event's entity.
        partition_of: Each event's partition, `(n_events,)`.
        entities: Per partition, its entities, each once.
        entity_of: Each event's place among all entities, partition after partition.
    """

    lines: Lines[Any]
    columns: Columns
    inputs: EventInputs
    names: list[str]
    partition_of: Ints
    entities: dict[int, list[str]]
    entity_of: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found about a chunk's events, one row an event."""

    repeated: Mask
    late: Mask
    features: Floats
    scores: Floats
    fired: Mask


class Detection:
    """events.<pack> -> features -> scores and rules -> decisions.<pack>.

    Args:
        regime: The policy and the lists in force now; the pack's own policy if None.
    """

    def __init__(
        self, pack: DomainPack, champion: Champion, regime: Callable[[], Regime] | None = None
    ) -> None:
        self._pack = pack
        self._regime = regime or of_pack(pack)
        self._champion = champion
        self._kernel = WindowKernel(pack.features)
        self._explainer = Explainer(pack, champion)
        self._decoder = msgspec.json.Decoder(pack.event)
        self._severity = np.array([int(rule.severity) for rule in pack.rules], np.int64)
        self._skew_us = int(pack.max_skew.total_seconds() * 1e6)
        # A window may reach back too far, and a clock be ahead.
        self._felt_for = pack.features.longest * 25 / 24 + pack.max_skew

    @property
    def layout(self) -> str:
        return f"features-{self._kernel.layout.fingerprint:04x}"

    def decode(self, records: Sequence[Record], poisoned: Sequence[Place] = ()) -> EventChunk:
        lines = self._named(read_lines(records, self._decoder, poisoned))
        columns = self._pack.columns(lines.events)
        refused = self._refused(lines, columns)
        if refused:
            lines = lines.bury(refused)
            columns = self._pack.columns(lines.events)
        names = list(map(self._pack.entity, lines.events))
        partitions = np.array([record.partition for record in records], np.int64)
        partition_of = partitions[lines.record_of]
        entities, entity_of = _entities(names, partition_of)
        inputs = self._kernel.inputs(columns)
        return EventChunk(lines, columns, inputs, names, partition_of, entities, entity_of)

    def fold(self, chunk: EventChunk, memory: Memory) -> Folded:
        repeated = _repeated(chunk, memory)
        before = [memory.states[p][name] for p, names in chunk.entities.items() for name in names]
        features, late, after = self._features(chunk, repeated, before)
        judged = self._judge(chunk, repeated, late, features)
        made, degraded = self._marked(self._outcomes(chunk, judged), chunk, memory, judged.scores)
        outcomes = of_all_lines(made, chunk.lines, ScoredEvent)
        changed = _changed(chunk.entities, before, after)
        return self._folded(chunk, memory, outcomes, changed, degraded)

    async def answer(self, folded: Folded) -> None:
        """Nobody waits for a score."""

    def _named(self, lines: Lines[Any]) -> Lines[Any]:
        """Gives an event without an id the one that its place in the log determines."""
        for number, event in enumerate(lines.events):
            if not event.event_id:
                place = lines.place(int(lines.slots[number]))
                lines.events[number] = replace(event, event_id=place.text)
        return lines

    def _refused(self, lines: Lines[Any], columns: Columns) -> dict[int, str]:
        """The number of each event that may not be folded, and the rule that it breaks."""
        arrived = np.array([record.at_ms for record in lines.records], np.int64) * 1000
        future = columns.at > arrived[lines.record_of] + self._skew_us
        refused = {}
        for number in np.flatnonzero(~self._pack.valid(columns) | future).tolist():
            event = lines.events[number]
            refused[number] = self._pack.check(event) or (
                f"occurred_at must be at most {self._pack.max_skew} ahead of the event's arrival,"
                f" got {event.occurred_at}"
            )
        return refused

    def _features(
        self, chunk: EventChunk, repeated: Mask, before: list[bytes]
    ) -> tuple[Floats, Mask, list[bytes]]:
        """Folds the events that are new; the rows of the others stay unknown."""
        if not repeated.any():
            folded = self._kernel.fold(before, chunk.entity_of, chunk.inputs)
            return folded.features, folded.late, folded.states
        new = np.flatnonzero(~repeated)
        folded = self._kernel.fold(before, chunk.entity_of[new], chunk.inputs.take(new))
        features = np.full((len(repeated), len(self._kernel.names)), np.nan)
        features[new] = folded.features
        late = np.zeros(len(repeated), np.bool_)
        late[new] = folded.late
        return features, late, folded.states

    def _judge(self, chunk: EventChunk, repeated: Mask, late: Mask, features: Floats) -> Judged:
        feature = Columns.of_matrix(self._kernel.names, features)
        scores, fired = judge(self._pack, self._champion, feature, chunk.columns)
        return Judged(repeated, late, features, scores, fired)

    def _outcomes(self, chunk: EventChunk, judged: Judged) -> list[ScoredEvent]:
        """One outcome an event, in offset order; most are unremarkable."""
        model = self._champion.version
        rows = zip(chunk.lines.events, chunk.names, judged.scores.tolist(), strict=True)
        made = [
            ScoredEvent(event.event_id, "decided", name, event.occurred_at, score, model=model)
            for event, name, score in rows
        ]
        severity = (judged.fired * self._severity).max(axis=1, initial=0)
        notable = self._regime().policy.actions(judged.scores, severity) > Action.ALLOW
        decided = ~(judged.repeated | judged.late)
        self._explain(made, judged, chunk.columns, np.flatnonzero(notable & decided))
        for number in np.flatnonzero(judged.repeated).tolist():
            made[number] = _duplicate(made[number])
        for number in np.flatnonzero(judged.late).tolist():
            made[number] = self._late(made[number])
        return made

    def _explain(
        self, made: list[ScoredEvent], judged: Judged, event: Columns, which: Ints
    ) -> None:
        """Gives the events that may need an action their reasons and features."""
        if not len(which):
            return
        features = judged.features[which]
        rows = features.tolist()
        explained = self._explainer.explained(features, rows, judged.fired, event, which)
        known = known_features(self._kernel.names, features, rows)
        for number, (rules, why), values in zip(which.tolist(), explained, known, strict=True):
            made[number] = replace(made[number], rules=rules, reasons=why, features=values)

    def _marked(
        self, made: list[ScoredEvent], chunk: EventChunk, memory: Memory, scores: Floats
    ) -> tuple[list[ScoredEvent], Mapping[int, int]]:
        """Says of the events of which less was known than should be that it was so."""
        felt = felt_in(memory.fences, chunk.lines, chunk.columns.at, self._felt_for, "features are")
        felt |= dict.fromkeys(np.flatnonzero(np.isnan(scores)).tolist(), NO_SCORE)
        for number, why in felt.items():
            if made[number].outcome == "decided":
                made[number] = replace(made[number], degraded=why)
        return made, Counter(int(chunk.partition_of[n]) for n in felt if made[n].degraded)

    def _late(self, outcome: ScoredEvent) -> ScoredEvent:
        behind = f"more than {self._pack.features.longest} behind the newest of {outcome.entity}"
        return replace(outcome, outcome="late", score=None, model=None, error=behind)

    def _folded(
        self,
        chunk: EventChunk,
        memory: Memory,
        outcomes: Sequence[ScoredEvent],
        states: Mapping[int, Mapping[str, bytes]],
        degraded: Mapping[int, int],
    ) -> Folded:
        pack, lines = self._pack.name, chunk.lines
        tallies = tally_scored(lines, outcomes)
        changes = {
            partition: Change(
                replace(fence, seen=memory.seen[partition].count), states.get(partition, {})
            )
            for partition, fence in advance(memory.fences, lines.records, tallies).items()
        }
        records = publish(decisions_topic(pack), memory.fences, lines, outcomes)
        published = [*records, *lines.dead_letters(events_topic(pack))]
        return Folded(published, changes, tallies, degraded=degraded)


@dataclass(frozen=True, slots=True)
class OutcomeChunk:
    """Records of scored events, not decoded yet: some may turn out to be repeats."""

    records: Sequence[Record]
    poisoned: Sequence[Place]
    entities: Mapping[int, Sequence[str]]


class Decision:
    """decisions.<pack> -> action -> actions.<pack>, and the answer to whoever waits.

    Args:
        regime: The policy and the lists in force now; the pack's own policy if None.
        kept: Where answers other than allow are kept to be explained; nowhere if None.
    """

    def __init__(
        self,
        pack: DomainPack,
        results: ResultStore,
        regime: Callable[[], Regime] | None = None,
        kept: DecisionStore | None = None,
    ) -> None:
        self._pack = pack
        self._results = results
        self._kept = kept
        self._decoder = msgspec.json.Decoder(Finding)
        self._deciding = Deciding(pack, regime or of_pack(pack))

    @property
    def layout(self) -> str:
        return LAYOUT

    def decode(self, records: Sequence[Record], poisoned: Sequence[Place] = ()) -> OutcomeChunk:
        # The standings of all entities: which of them a record is about is not known yet.
        return OutcomeChunk(records, poisoned, {record.partition: STANDINGS for record in records})

    def fold(self, chunk: OutcomeChunk, memory: Memory) -> Folded:
        pack = self._pack.name
        memory = healed(memory, chunk.records)
        records, upstream, alarms = first_copies(chunk.records, memory.fences)
        lines = read_lines(records, self._decoder, chunk.poisoned)
        decided = self._deciding.decide(lines, memory)
        taken = of_all_lines(decided.actions, lines, ActionTaken)
        tallies = tally_taken(lines, taken)
        changes = {
            partition: Change(
                replace(fence, upstream=upstream[partition]), decided.states.get(partition, {})
            )
            for partition, fence in advance(memory.fences, chunk.records, tallies).items()
        }
        out = publish(actions_topic(pack), memory.fences, lines, taken)
        dead = lines.dead_letters(decisions_topic(pack))
        alarms += ["standings-full"] if decided.dropped else []
        kept = to_keep(lines, taken, tallies)
        return Folded([*out, *dead], changes, tallies, alarms, kept, degraded=decided.degraded)

    async def answer(self, folded: Folded) -> None:
        answers = []
        for record in folded.records:
            named = {name: value.decode(errors="replace") for name, value in record.headers}
            if named.get("reply") and "batch" in named:
                part = named.get("part", "0")
                answers.append(Answer(named["batch"], part, named["reply"], record.value))
        writing = [self._results.write(answers)] if answers else []
        if folded.kept and self._kept is not None:
            writing.append(self._kept.keep(folded.kept))
        await asyncio.gather(*writing)


def known_features(
    names: Sequence[str], features: Floats, values: Sequence[Sequence[float]]
) -> list[dict[str, float]]:
    """Rows of features, each as name to value; the unknown are left out.

    Args:
        features: `(n, n_features)`.
        values: The same as lists.
    """
    known: Mask = ~np.isnan(features)
    whole: Mask = np.logical_and.reduce(known, axis=1)
    rows = zip(values, known.tolist(), whole.tolist(), strict=True)
    return [
        dict(zip(names, row, strict=True))
        if is_whole
        else dict(zip(compress(names, which), compress(row, which), strict=True))
        for row, which, is_whole in rows
    ]


def of_pack(pack: DomainPack) -> Callable[[], Regime]:
    """The pack's own policy, and nobody on a list."""
    regime = Regime(pack.policy)
    return lambda: regime


def _repeated(chunk: EventChunk, memory: Memory) -> Mask:
    """Which events' ids the partition has seen before; remembers the others."""
    ids = hash64(chunk.columns.event_id)
    repeated = np.zeros(len(ids), np.bool_)
    for partition in chunk.entities:
        mine = chunk.partition_of == partition
        repeated[mine] = memory.seen[partition].remember(ids[mine])
    return repeated


def _entities(
    names: Sequence[str], partition_of: Ints
) -> tuple[dict[int, list[str]], NDArray[np.int32]]:
    """The entities of each partition, and each event's place among them all."""
    entities: dict[int, list[str]] = {}
    entity_of = np.zeros(len(names), np.int32)
    base = 0
    for partition in np.unique(partition_of).tolist():
        mine = np.flatnonzero(partition_of == partition)
        places: dict[str, int] = {}
        own = [places.setdefault(names[number], len(places)) for number in mine.tolist()]
        entity_of[mine] = np.array(own, np.int32) + base
        entities[partition] = list(places)
        base += len(places)
    return entities, entity_of


def _changed(
    entities: Mapping[int, Sequence[str]], before: Sequence[bytes], after: Sequence[bytes]
) -> dict[int, dict[str, bytes]]:
    changed: dict[int, dict[str, bytes]] = {}
    base = 0
    for partition, names in entities.items():
        span = slice(base, base + len(names))
        triples = zip(names, before[span], after[span], strict=True)
        changed[partition] = {name: new for name, old, new in triples if new != old}
        base += len(names)
    return changed


def _duplicate(outcome: ScoredEvent) -> ScoredEvent:
    return replace(
        outcome, outcome="duplicate", score=None, model=None, duplicate_of=outcome.event_id
    )
