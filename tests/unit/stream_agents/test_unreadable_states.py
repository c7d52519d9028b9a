"""A store that the present declaration cannot read stops the worker; no event is blamed for it."""

from __future__ import annotations

import asyncio

import pytest

from feature_store.state import UnreadableState
from producer.records import DEAD_LETTER
from stream_agents.memory import MemoryBroker, MemoryLog, MemoryStore
from stream_agents.metrics import StageMetrics
from stream_agents.stage import Folded, Memory
from stream_agents.worker import Worker
from tests.unit.stream_agents.counting import CountedChunk, CountingStage
from tests.unit.stream_agents.pipeline import ACTIONS, DECISIONS, Pipeline, attack, ids, line

OTHER_VERSION, OTHER_DECLARATION = 0, 1
"""Bytes of a stored state."""


def stored_and_spoilt(place: int) -> Pipeline:
    """A pipeline that has folded an event of two clients; one state's byte is then changed."""
    pipeline = Pipeline()
    pipeline.send(line("a", event_id="1"), line("b", event_id="2"))
    pipeline.run()
    state = bytearray(pipeline.store.states[0, "a"])
    state[place] ^= 0xFF
    pipeline.store.states[0, "a"] = bytes(state)
    return pipeline


@pytest.mark.parametrize("place", [OTHER_VERSION, OTHER_DECLARATION])
def test_an_unreadable_state_ends_the_worker_and_dead_letters_nothing(place: int) -> None:
    pipeline = stored_and_spoilt(place)
    pipeline.send(line("b", event_id="3"), attack("a", event_id="4"))
    fence = pipeline.store.fences[0]

    with pytest.raises(UnreadableState):
        pipeline.run()

    assert pipeline.broker.topics[DEAD_LETTER].partitions == [[]]
    assert len(pipeline.values(DECISIONS)) == 1
    assert pipeline.store.fences[0] == fence


def test_once_the_state_is_readable_again_nothing_is_missing() -> None:
    pipeline = stored_and_spoilt(OTHER_VERSION)
    pipeline.send(line("b", event_id="3"), attack("a", event_id="4"))
    with pytest.raises(UnreadableState):
        pipeline.run()
    state = bytearray(pipeline.store.states[0, "a"])
    state[OTHER_VERSION] ^= 0xFF
    pipeline.store.states[0, "a"] = bytes(state)

    pipeline.run()

    answers = pipeline.outcomes(ACTIONS)
    assert ids(answers) == [(number, "decided") for number in ("1", "2", "3", "4")]
    assert answers[3]["features"]["client_requests_count_1m"] == 2


class SpoiltStage(CountingStage):
    """Cannot read the state of `b`, once it gets so far: a `boom` breaks the fold before."""

    def fold(self, chunk: CountedChunk, memory: Memory) -> Folded:
        folded = super().fold(chunk, memory)
        if "b" in chunk.entities.get(0, ()):
            raise UnreadableState("b: of another declaration")
        return folded


def test_the_search_for_an_event_that_breaks_our_code_blames_no_unreadable_state() -> None:
    broker = MemoryBroker(lambda: 0)
    for topic in ("in", "out"):
        broker.create(topic, 1)
    broker.produce("in", 0, b"a\na boom\nb")
    log = MemoryLog(broker, "in")
    worker = Worker(SpoiltStage("out"), MemoryStore(), log, "epoch", StageMetrics("test", "spoilt"))

    with pytest.raises(UnreadableState):
        asyncio.run(processed(worker, log))

    assert broker.topics["out"].partitions == [[]]


async def processed(worker: Worker, log: MemoryLog) -> None:
    log.assign(await worker.assigned([0]))
    await worker.process(log.take())
