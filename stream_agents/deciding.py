"""From scored events to actions: by score and rules, by what is in force, and by the lists.

An event of which nothing is found, by an entity of which nothing is known, is allowed in one line;
only the others are looked at one by one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from itertools import pairwise
from operator import attrgetter

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from feature_store.columns import Ints, TextColumn
from feature_store.text import INVALID_TIME, parse_times
from models.contracts import Action, ActionTaken, Reason, ScoredEvent
from models.lists import NEVER, NOTHING, Entry
from models.pack import DomainPack
from models.policy import Policy
from models.regime import Regime
from models.standing import Standing, after_finding
from producer.instants import rfc3339
from stream_agents.gaps import felt_in
from stream_agents.lines import Lines
from stream_agents.stage import Memory
from stream_agents.standings import Draft, Ledger

ACTIONS = tuple(action.name.lower() for action in Action)
SECOND = 1_000_000
ENTITY = attrgetter("entity")
TIME = attrgetter("occurred_at")
DEGRADED = "degraded"
SAID = frozenset({"on_allow_list", "test_client"})
UNKNOWN_RULE = "a rule fired that is not known here: the agents are of different releases"
UNEXPLAINED = (Reason("score", "the score alone, by a policy that came after it was explained"),)


class Finding(ScoredEvent, frozen=True, omit_defaults=True, gc=False):
    """A scored event whose features go on as they came: nothing here looks into them."""

    features: msgspec.Raw = msgspec.Raw()  # type: ignore[assignment]  # a dictionary, not read yet


@dataclass(slots=True)
class Decided:
    """What came of a chunk's events.

    Args:
        actions: One an event.
        states: Per partition, the changed shards of standings.
        dropped: Standings forgotten early, for lack of room.
        degraded: Per partition, how many events were answered with less known than should be.
    """

    actions: list[ActionTaken]
    states: dict[int, dict[str, bytes]] = field(default_factory=dict)
    dropped: int = 0
    degraded: Counter[int] = field(default_factory=Counter)


class Deciding:
    """Maps scored events to actions; what it remembers of entities is in the states it is given.

    Args:
        regime: The policy and the lists in force now.
    """

    def __init__(self, pack: DomainPack, regime: Callable[[], Regime]) -> None:
        self._severity = {rule.name: int(rule.severity) for rule in pack.rules}
        self._tests = tests_of(pack)
        self._regime = regime
        self._ledgers: defaultdict[int, Ledger] = defaultdict(Ledger)

    def decide(self, lines: Lines[ScoredEvent], memory: Memory) -> Decided:
        regime, events = self._regime(), lines.events
        own = self._own(regime.policy, events)
        decided = Decided(taken_alone(events, own.tolist(), regime))
        for partition, first, end in spans(lines):
            ledger = self._ledgers[partition]
            ledger.read(memory.states[partition])
            here = events[first:end]
            watched = first + watched_of(here, own[first:end], ledger, regime, self._tests)
            if len(watched):
                draft = Draft(ledger, regime.policy)
                judging = Judging(regime, draft, self._severity, self._tests)
                for number, event, at in timed(events, watched):
                    decided.actions[number] = judging.taken(event, at, int(own[number]))
                decided.states[partition] = draft.written()
                decided.dropped += draft.dropped
        for number, why in self._degraded(lines, memory, regime.policy).items():
            taken = decided.actions[number]
            if taken.outcome == "decided":
                decided.actions[number] = failing_safe(taken, why, regime.policy)
                decided.degraded[lines.place(int(lines.slots[number])).partition] += 1
        return decided

    def _degraded(
        self, lines: Lines[ScoredEvent], memory: Memory, policy: Policy
    ) -> dict[int, str]:
        """By number, the events of which less is known than should be, and why."""
        known, events = self._severity.keys(), lines.events
        felt: dict[int, str] = {}
        if any(fence.gap for fence in memory.fences.values()):
            at = parse_times(TextColumn.of(list(map(TIME, events))))
            felt = felt_in(memory.fences, lines, at, longest_held(policy), "actions in force are")
        for number in [n for n, event in enumerate(events) if event.rules or event.degraded]:
            event = events[number]
            if event.degraded:
                felt[number] = event.degraded
            elif not known >= set(event.rules):
                felt[number] = UNKNOWN_RULE
        return felt

    def _own(self, policy: Policy, events: Sequence[ScoredEvent]) -> Ints:
        """The action that each event earns by itself."""
        score = np.array([event.score for event in events], np.float64)
        severity = [worst(event.rules, self._severity) if event.rules else 0 for event in events]
        return policy.actions(score, np.array(severity, np.int64))


@dataclass(frozen=True, slots=True)
class Judging:
    """Judges one event after the other of a partition, in offset order."""

    regime: Regime
    draft: Draft
    severity: Mapping[str, int]
    tests: Mapping[str, Action]

    def taken(self, event: ScoredEvent, at: int, own: int) -> ActionTaken:
        """The action about an event that earns `own` by itself."""
        covering = self.regime.lists.covering(event.entity)
        if event.entity in self.tests and covering.at(at) is None:
            return self._rehearsed(event, self.tests[event.entity])
        if covering is NOTHING:
            return self._unlisted(event, at, own, self._live(event, at, own, NEVER))
        listed = covering.at(at)
        if listed is not None and listed.listed == "allow":
            self.draft.forget(event.entity)
            return self._taken(event, Action.ALLOW, 0, (on_list(listed), *event.reasons))
        live = self._live(event, at, own, covering.cleared(at))
        if listed is None:
            return self._unlisted(event, at, own, live)
        return self._denied(event, at, own, live, listed)

    def _live(self, event: ScoredEvent, at: int, own: int, cleared: int) -> Standing | None:
        """What is in force against the event's entity, after the event's own finding."""
        standing = self.draft.of(event.entity, at, cleared)
        if self.regime.policy.does_hold(own):
            rule = finding(event.rules, self.severity)
            standing = after_finding(self.regime.policy, standing, own, at, rule)
            self.draft.put(event.entity, standing, at)
        return standing if standing is not None and at < standing.until else None

    def _unlisted(
        self, event: ScoredEvent, at: int, own: int, live: Standing | None
    ) -> ActionTaken:
        """The action in force, if there is one: it is never milder than the event's own."""
        told = reasons_of(event, own, live)
        if live is None:
            return self._taken(event, own, self.regime.policy.ttl_us[own], told)
        return self._taken(event, live.action, live.until - at, told)

    def _rehearsed(self, event: ScoredEvent, action: Action) -> ActionTaken:
        """What a test client is always answered; it has no standing."""
        told = Reason("test_client", f"a test client: the answer is always {ACTIONS[action]}")
        ttl_us = self.regime.policy.ttl_us[action]
        return self._taken(event, action, ttl_us, (told, *event.reasons))

    def _denied(
        self, event: ScoredEvent, at: int, own: int, live: Standing | None, entry: Entry
    ) -> ActionTaken:
        """A block until the entry ends, or a block in force if that is later."""
        ends = entry.until_us
        left_us = self.regime.policy.ttl_us[Action.BLOCK] if ends is None else ends - at
        if live is not None and live.action == Action.BLOCK:
            left_us = max(left_us, live.until - at)
        reasons = (on_list(entry), *reasons_of(event, own, live))
        return self._taken(event, Action.BLOCK, left_us, reasons)

    def _taken(
        self, event: ScoredEvent, action: int, ttl_us: int, reasons: tuple[Reason, ...]
    ) -> ActionTaken:
        return taken(event, action, seconds(ttl_us), reasons, self.regime.version)


def taken_alone(
    events: Sequence[ScoredEvent], own: Sequence[int], regime: Regime
) -> list[ActionTaken]:
    """Every event's action as if nothing was in force and nobody on a list."""
    version, ttl_s = regime.version, list(map(seconds, regime.policy.ttl_us))
    return [
        taken(
            event, action, ttl_s[action], event.reasons or (UNEXPLAINED if action else ()), version
        )
        if event.outcome == "decided"
        else undecided(event)
        for event, action in zip(events, own, strict=True)
    ]


def taken(
    event: ScoredEvent, action: int, ttl_s: int | None, reasons: tuple[Reason, ...], version: str
) -> ActionTaken:
    return ActionTaken(
        event.event_id,
        "decided",
        ACTIONS[action],  # type: ignore[arg-type]  # the names of Action are the literals
        event.entity,
        event.occurred_at,
        event.score,
        ttl_s,
        event.rules,
        reasons,
        event.features or None,
        event.model,
        version,
    )


def failing_safe(taken: ActionTaken, why: str, policy: Policy) -> ActionTaken:
    """An answer that says what was missing, and is no milder than the policy has it then.

    What somebody has said of an entity holds all the same: an allow entry, and a test client's.
    """
    least, told = policy.fail_mode, taken.reasons[0].code if taken.reasons else ""
    if told in SAID or ACTIONS.index(taken.action or "allow") >= least:
        return replace(taken, degraded=why)
    return replace(
        taken,
        action=ACTIONS[least],
        ttl_s=seconds(policy.ttl_us[least]),
        reasons=(Reason(DEGRADED, why), *taken.reasons),
        degraded=why,
    )


def longest_held(policy: Policy) -> timedelta:
    """For how long an action may be in force after it was earned."""
    lengths = (policy.held_us(action, 64) for action in Action if policy.does_hold(action))
    return timedelta(microseconds=max(lengths, default=0))


def seconds(length_us: int) -> int | None:
    """Whole seconds, rounded up; None for nothing."""
    return -(-length_us // SECOND) or None


def undecided(event: ScoredEvent) -> ActionTaken:
    return ActionTaken(
        event.event_id,
        event.outcome,
        entity=event.entity,
        occurred_at=event.occurred_at,
        duplicate_of=event.duplicate_of,
        error=event.error,
    )


def spans(lines: Lines[ScoredEvent]) -> Iterator[tuple[int, int, int]]:
    """A chunk's partitions, each with the numbers of its first event and of the next one's."""
    partitions = np.array([record.partition for record in lines.records], np.int64)
    partition_of = partitions[lines.record_of]
    starts = np.flatnonzero(np.diff(partition_of, prepend=-1)).tolist()
    for first, end in pairwise([*starts, len(partition_of)]):
        yield int(partition_of[first]), first, end


def tests_of(pack: DomainPack) -> dict[str, Action]:
    """The pack's test clients that are always answered alike, and how."""
    always = {"block": Action.BLOCK, "allow": Action.ALLOW}
    return {name: always[how] for name, how in pack.test_clients.items() if how in always}


def watched_of(
    events: Sequence[ScoredEvent],
    own: Ints,
    ledger: Ledger,
    regime: Regime,
    tests: Mapping[str, Action],
) -> NDArray[np.intp]:
    """The numbers of the events whose action depends on more than themselves, or that are findings.

    Those are all events of an entity with a standing, on a list, or with a finding among them, and
    of test clients.
    """
    entities = list(map(ENTITY, events))
    unique = set(entities)
    # Not `unique & keys`, which may walk through all that is known.
    watched = set(filter(ledger.known.__contains__, unique))
    watched |= regime.lists.covered(unique)
    watched |= tests.keys() & unique
    if regime.policy.holds is not None:
        watched |= {entities[i] for i in np.flatnonzero(own >= regime.policy.holds).tolist()}
    if not watched:
        return np.zeros(0, np.intp)
    return np.array([i for i, entity in enumerate(entities) if entity in watched], np.intp)


def timed(
    events: Sequence[ScoredEvent], numbers: NDArray[np.intp]
) -> Iterator[tuple[int, ScoredEvent, int]]:
    """The decided ones of some events, each with its number and its time in microseconds."""
    chosen = [events[number] for number in numbers.tolist()]
    times = parse_times(TextColumn.of(list(map(TIME, chosen)))).tolist()
    for number, event, at in zip(numbers.tolist(), chosen, times, strict=True):
        if event.outcome == "decided" and at != INVALID_TIME:
            yield number, event, at


def worst(rules: tuple[str, ...], severity: Mapping[str, int]) -> int:
    return max([severity.get(rule, 0) for rule in rules])


def finding(rules: tuple[str, ...], severity: Mapping[str, int]) -> str:
    """The rule to name as what was found: the first of the worst."""
    return max(rules, key=lambda rule: severity.get(rule, 0), default="score")


def reasons_of(event: ScoredEvent, own: int, live: Standing | None) -> tuple[Reason, ...]:
    """Why an event is answered as it is, but for the lists."""
    told = event.reasons or (UNEXPLAINED if own else ())
    return (in_force(live), *told) if live is not None and live.action > own else told


def on_list(entry: Entry) -> Reason:
    until = "" if entry.until_us is None else f" until {rfc3339(entry.until_us)}"
    note = f" ({entry.note})" if entry.note else ""
    return Reason(
        f"on_{entry.listed}_list", f"on the {entry.listed} list: {entry.name}{until}{note}"
    )


@lru_cache(maxsize=4096)
def in_force(live: Standing) -> Reason:
    action = ACTIONS[live.action]
    strike = f", strike {live.strikes}" if live.strikes > 1 else ""
    text = f"{action} in force until {rfc3339(live.until)}, for {live.rule}{strike}"
    return Reason(f"{action}_in_force", text)
