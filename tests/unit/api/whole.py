"""The application among all that it can stand among, with something in each part of it."""

from __future__ import annotations

import numpy as np

from api import examples
from api.analyses import Analyses
from api.batch import judged
from api.decisions import Explaining
from feature_store.kernel import WindowKernel
from models.lists import Entry
from models.packs.access.events import AccessEvent
from producer.partitioning import partition_of
from stream_agents.answers import MemoryResults
from stream_agents.memory import MemoryRetained
from stream_agents.regimes import Current, MemoryRegimes
from tests.unit.api.loopback import PARTITIONS, REPLY, Api, LoopBack, States, api_on
from tests.unit.stream_agents.pipeline import CHAMPION, EVENTS, PACK, Pipeline, attack

CLIENT, RANGE = examples.EVENT["client_ip"], examples.NEW_ENTRY["entry"]


async def fine() -> None:
    """A part that is there."""


async def whole() -> Api:
    """What the examples ask for is there: the client, the event, the batch and the entry."""
    publisher = LoopBack(MemoryResults())
    regimes = MemoryRegimes()
    await regimes.add(Entry("deny", RANGE, 1), 1)
    await taken(publisher)
    return api_on(
        publisher,
        states=States({(partition_of(CLIENT, PARTITIONS), CLIENT): state()}),
        checks={"kafka": fine, "redis": fine, "champion": fine},
        regimes=regimes,
        explaining=await explaining(regimes),
    )


async def taken(publisher: LoopBack) -> None:
    """A batch under the id that the examples show."""
    analyses = Analyses(publisher, publisher.results.replies(REPLY), PARTITIONS)
    batch = judged(PACK, [AccessEvent(**examples.EVENT)], examples.BATCH_ID)
    await analyses.submit(batch, "trace", 0)
    publisher.sent.clear()


def state() -> bytes:
    kernel = WindowKernel(PACK.features)
    inputs = kernel.inputs(PACK.columns([AccessEvent(**examples.EVENT)]))
    [known] = kernel.fold([b""], np.zeros(1, np.int32), inputs).states
    return known


async def explaining(regimes: MemoryRegimes) -> Explaining:
    """Of an attack that was blocked."""
    pipeline = Pipeline()
    pipeline.send(attack(CLIENT, event_id=examples.EVENT["event_id"]))
    await pipeline.drain()
    events = MemoryRetained(pipeline.broker, EVENTS)
    return Explaining(PACK, pipeline.kept, events, Current(PACK, regimes), lambda: CHAMPION)
