"""Standings as states: one function of the log, whatever cut it into chunks and whoever crashed."""

from __future__ import annotations

from collections import defaultdict
from itertools import accumulate

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from feature_store.state import UnreadableState
from models.contracts import Action, ScoredEvent
from models.policy import Policy, micros
from models.standing import Standing, after_finding
from stream_agents import standings
from stream_agents.standings import ENCODER, NAMES, SHARDS, VERSION, Draft, Ledger, Shard, shard_of
from tests.unit.stream_agents.decisions import (
    DAY,
    HOUR,
    NOON,
    PACK,
    SECOND,
    TRAVERSAL,
    Decisions,
    attack,
    event,
    suspicion,
)

POLICY: Policy = PACK.policy
CLIENTS = [f"203.0.{i // 256}.{i % 256}" for i in range(4_000)]
TOGETHER = [client for client in CLIENTS if shard_of(client) == shard_of(CLIENTS[0])]
"""Clients of one shard: each other's findings are what they are forgotten by."""

KINDS = {"event": event, "suspicion": suspicion, "attack": attack}
STREAMS = st.lists(
    st.tuples(
        st.sampled_from(sorted(KINDS)),
        st.sampled_from([*TOGETHER[:2], CLIENTS[1], CLIENTS[2]]),
        st.one_of(
            st.integers(-2 * HOUR, 6 * HOUR),
            st.sampled_from([4 * HOUR, 8 * HOUR, 7 * DAY, 7 * DAY + 4 * HOUR, -HOUR]),
        ),
    ),
    min_size=1,
    max_size=25,
)
CUTS = st.lists(st.integers(1, 5), min_size=1, max_size=5)
Stream = list[tuple[str, str, int]]
LATE_AFTER_ANOTHERS = [
    ("attack", TOGETHER[0], 8 * DAY),
    ("attack", TOGETHER[1], 5 * HOUR - 8 * DAY),
    ("attack", TOGETHER[0], 0),
]
"""The last comes when its client's first strike is forgotten by the other's time alone."""


def events_of(stream: Stream) -> list[ScoredEvent]:
    times = accumulate((step for _, _, step in stream), initial=NOON)
    rows = zip(stream, times, strict=False)
    return [KINDS[kind](client, at) for (kind, client, _), at in rows]


def run(stream: Stream, chunks: list[int], *stops: int) -> Decisions:
    """A record an event; a worker that stops is followed by the next one."""
    decisions = Decisions()
    for each in events_of(stream):
        decisions.send(each)
    for stop in stops:
        decisions.run(chunks, stop_after=stop)
    decisions.run(chunks)
    return decisions


def expected(stream: Stream) -> list[tuple[str, int | None]]:
    """Actions and seconds, event by event, from everything that was ever found."""
    known: dict[str, Standing] = {}
    newest: dict[int, int] = defaultdict(int)
    actions: list[tuple[str, int | None]] = []
    times = accumulate((step for _, _, step in stream), initial=NOON)
    for (kind, client, _), at in zip(stream, times, strict=False):
        shard, standing = shard_of(client), known.get(client)
        forgotten = micros(POLICY.escalation.forgotten_after)
        if standing and max(at, newest[shard]) >= standing.until + forgotten:
            standing = None
        if kind == "attack":
            standing = after_finding(POLICY, standing, Action.BLOCK, at, TRAVERSAL)
            known[client] = standing
            newest[shard] = max(newest[shard], at)
        if standing is not None and at < standing.until:
            actions.append(("block", -((at - standing.until) // SECOND)))
        else:
            actions.append({"event": ("allow", None), "suspicion": ("challenge", 3600)}[kind])
    return actions


@settings(max_examples=150, deadline=None)
@given(STREAMS, CUTS)
@example(LATE_AFTER_ANOTHERS, [1])
def test_actions_are_those_of_a_fold_event_by_event(stream: Stream, chunks: list[int]) -> None:
    answered = [(taken.action, taken.ttl_s) for taken in run(stream, chunks).taken()]

    assert answered == expected(stream)


@settings(max_examples=100, deadline=None)
@given(STREAMS, CUTS, CUTS)
@example(LATE_AFTER_ANOTHERS, [1], [2])
def test_neither_cuts_nor_crashes_change_a_byte(
    stream: Stream, chunks: list[int], stops: list[int]
) -> None:
    whole, cut = run(stream, [1_000]), run(stream, chunks, *stops)

    assert cut.store.states == whole.store.states
    assert cut.taken() == whole.taken()


@settings(max_examples=60, deadline=None)
@given(st.permutations(TOGETHER[:8]), CUTS, st.integers(0, 3 * DAY))
def test_a_full_shard_drops_the_same_whatever_the_cuts(
    clients: list[str], chunks: list[int], step: int
) -> None:
    stream = [("attack", client, step) for client in clients for _ in range(2)]
    with pytest.MonkeyPatch.context() as small:
        small.setattr(standings, "MOST", 4)
        whole, cut = run(stream, [1_000]), run(stream, chunks)

    [state] = whole.store.states.values()
    assert cut.store.states == whole.store.states
    assert cut.taken() == whole.taken()
    assert len(standings.decoded(state).standings) <= 4


def test_a_quiet_partition_writes_nothing() -> None:
    decisions = run([("event", client, 1) for client in CLIENTS], [7])

    assert decisions.store.states == {}


def test_a_finding_writes_its_shard_alone() -> None:
    decisions = run([("attack", CLIENTS[0], 0), ("event", CLIENTS[0], 1)], [1])

    assert set(decisions.store.states) == {(0, NAMES[shard_of(CLIENTS[0])])}


def test_what_is_forgotten_is_pruned_with_the_next_finding_of_its_shard() -> None:
    first, second = TOGETHER[:2]
    decisions = run([("attack", first, 8 * DAY), ("attack", second, 0)], [1])

    [state] = decisions.store.states.values()
    assert list(standings.decoded(state).standings) == [second]


def test_entities_are_spread_over_all_shards() -> None:
    shards = [shard_of(f"198.51.{i // 256}.{i % 256}") for i in range(25_600)]

    assert set(shards) == set(range(SHARDS))
    assert max(map(shards.count, range(SHARDS))) < 150


def test_a_full_shard_keeps_those_whose_actions_end_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standings, "MOST", 4)
    ledger = Ledger()
    draft = Draft(ledger, POLICY)
    for number, client in enumerate(TOGETHER[:6]):
        draft.put(client, Standing(Action.BLOCK, NOON - number, 1, NOON, TRAVERSAL), NOON)
    draft.written()

    assert draft.dropped == 2
    assert set(ledger.known) == {*TOGETHER[:4]}


def test_a_full_shard_is_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standings, "MOST", 4)
    fits, full = (run([("attack", each, 0) for each in TOGETHER[:n]], [1]) for n in (4, 5))

    assert (fits.alarms("standings-full"), full.alarms("standings-full")) == (0, 1)


def shards(**states: bytes) -> dict[str, bytes]:
    return dict.fromkeys(NAMES, b"") | {f"standing:{name[1:]}": s for name, s in states.items()}


def test_a_ledger_takes_over_what_another_worker_has_left() -> None:
    ledger, mine = Ledger(), Standing(Action.BLOCK, NOON + HOUR, 1, NOON, TRAVERSAL)
    first = ENCODER.encode(Shard(VERSION, NOON, {"a": mine, "b": mine}))
    second = ENCODER.encode(Shard(VERSION, NOON, {"b": mine, "c": mine}))

    ledger.read(shards(_3=first))
    ledger.read(shards(_3=second, _4=first[:0]))

    assert set(ledger.known) == {"b", "c"}


@pytest.mark.parametrize(
    "state",
    [b"\xc1", b"{}", ENCODER.encode([VERSION + 1, NOON, {}]), ENCODER.encode([VERSION, NOON])],
    ids=["damaged", "another kind", "another version", "cut off"],
)
def test_an_unreadable_shard_is_said_to_be(state: bytes) -> None:
    with pytest.raises(UnreadableState, match="standings: "):
        Ledger().read(shards(_0=state))
