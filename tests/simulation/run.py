"""One seed is one run."""

from __future__ import annotations

import hashlib
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from tests.simulation.books import check
from tests.simulation.clock import Stuck, run_virtually
from tests.simulation.world import World

RECORDS = (8, 16, 32, 64)
"""Events of a run, about."""
SILENT = 50
"""The level of what ends a process, which none here says."""


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a seed.

    Args:
        failures: Empty if every promise was kept.
        fired: Fault or site to how often it was met.
        digest: Of all records that were ever in the log, and of the stores: equal runs have the
            same.
    """

    seed: int
    failures: list[str]
    fired: Counter[str]
    events: int
    digest: str
    trace: list[str] = field(default_factory=list)


def run_seed(seed: int, *, tracing: bool = False) -> Report:
    """Runs a seed and checks what it left."""
    world = World(seed, 0, tracing=tracing)
    world.records = world.chance.random.choice(RECORDS)
    with logging_to(world if tracing else None):
        try:
            run_virtually(played(world), world.chance.random)
        except Stuck as error:
            world.failures.append(str(error))
    chance = world.chance
    for store in world.redis.stores.values():
        chance.fired["state.expired"] += store.expired
        chance.fired["fence.refused"] += store.refused
    if tracing:
        for raised in world.errors:
            world.trace += traceback.format_exception(raised)
    return Report(
        seed, world.failures, chance.fired, world.traffic.made, digest_of(world), world.trace
    )


async def played(world: World) -> None:
    await world.run()
    check(world)


@contextmanager
def logging_to(world: World | None) -> Iterator[None]:
    """What our code says goes into the trace, or nowhere."""

    def heard(
        _: object, level: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        said = " ".join(f"{name}={value}" for name, value in event.items() if name != "event")
        if world is not None:
            world.note(f"log {level}", f"{event['event']} {said}")
        raise structlog.DropEvent

    before = structlog.get_config()
    level = SILENT if world is None else 0
    structlog.configure(
        processors=[heard],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)


def digest_of(world: World) -> str:
    digest = hashlib.sha256()
    for topic, records in world.broker.ever.items():
        for place, record in records.items():
            digest.update(repr((topic, place, record)).encode())
    for store in world.redis.stores.values():
        of = store.memory
        digest.update(repr((sorted(of.fences.items()), sorted(of.states.items()))).encode())
        digest.update(repr(sorted(of.rings.items())).encode())
    return digest.hexdigest()[:16]
