"""The books after random histories: whatever happens, what was answered balances."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta

import pytest

from feature_store.fence import decode_fence
from stream_agents.memory import MemoryStore
from tests.unit.stream_agents.pipeline import ACTIONS, DECISIONS, EVENTS, Pipeline, line
from tests.unit.stream_agents.test_auditing import audited

TERMS = ("decided", "duplicate", "late", "dead", "pending", "answers_gone", "missing")


class History:
    """A pipeline, and all that may happen to it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.pipeline = Pipeline(chunks=[self.chance.randrange(1, 4)])
        self.sent = 0
        self.is_decisions_new = False

    @property
    def steps(self) -> list[Callable[[], None]]:
        steps = [self.send, self.send, self.send, self.run, self.run, self.detect, self.decide]
        steps += [self.later, self.crash_detecting, self.crash_deciding, self.lose_features]
        steps += [self.trim_events, self.trim_decisions, self.trim_actions, self.renew_events]
        # Without its store, nothing tells that decisions was another topic before.
        renewing = [self.renew_decisions]
        return steps + (renewing if self.is_decisions_new else [*renewing, self.lose_all])

    def send(self) -> None:
        for _ in range(self.chance.randrange(1, 4)):
            self.pipeline.send(*(self._line() for _ in range(self.chance.randrange(1, 5))))

    def run(self) -> None:
        self.pipeline.run()

    def detect(self) -> None:
        asyncio.run(self.pipeline.detect())

    def decide(self) -> None:
        asyncio.run(self.pipeline.decide())

    def later(self) -> None:
        self.pipeline.now += timedelta(hours=self.chance.choice([1, 30]))

    def crash_detecting(self) -> None:
        self._crash(self.pipeline.store, self.detect)

    def crash_deciding(self) -> None:
        self._crash(self.pipeline.fences, self.decide)

    def lose_features(self) -> None:
        self.pipeline.store = MemoryStore()

    def lose_all(self) -> None:
        self.pipeline.store, self.pipeline.fences = MemoryStore(), MemoryStore()

    def trim_events(self) -> None:
        self._trim(EVENTS, self._done(self.pipeline.store, EVENTS))

    def trim_decisions(self) -> None:
        self._trim(DECISIONS, self._done(self.pipeline.fences, DECISIONS))

    def trim_actions(self) -> None:
        self._trim(ACTIONS, self.pipeline.broker.topics[ACTIONS].ends[0])

    def renew_events(self) -> None:
        self.run()
        self.pipeline.broker.create(EVENTS, 1)

    def renew_decisions(self) -> None:
        self.run()
        self.is_decisions_new = True
        self.pipeline.broker.create(DECISIONS, 1)

    def _line(self) -> bytes:
        self.sent += 1
        repeated = self.chance.randrange(1, self.sent + 1)
        own, again = (line(event_id=f"e{number}") for number in (self.sent, repeated))
        return self.chance.choice([own, again, b"not json", line(status=3)])

    def _crash(self, store: MemoryStore, step: Callable[[], None]) -> None:
        """What was emitted stays, and what was committed is lost."""
        rings = {partition: bytearray(ring) for partition, ring in store.rings.items()}
        saved = dict(store.fences), dict(store.states), rings
        step()
        store.fences, store.states, store.rings = saved

    def _done(self, store: MemoryStore, topic: str) -> int:
        fence = decode_fence(store.fences.get(0, b""))
        is_known = fence is not None and fence.epoch == self.pipeline.broker.topics[topic].id
        return fence.offset + 1 if fence and is_known else 0

    def _trim(self, topic: str, done: int) -> None:
        log = self.pipeline.broker.topics[topic].partitions[0]
        if log and done > log[0].offset:
            offset = self.chance.randrange(log[0].offset, done + 1)
            self.pipeline.broker.delete_before(topic, 0, offset)


@pytest.mark.parametrize("seed", range(25))
def test_nothing_that_was_answered_is_ever_missing(seed: int) -> None:
    history = History(seed)
    for _ in range(history.chance.randrange(4, 14)):
        history.chance.choice(history.steps)()
        found = audited(history.pipeline)

        assert (found.wrong, found.totals["missing"], found.totals["lost_records"]) == ((), 0, 0)
        assert found.totals["sent"] == sum(found.totals[term] for term in TERMS)
    history.run()

    assert audited(history.pipeline).totals["pending"] == 0
