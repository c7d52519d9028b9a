"""A seeded day of traffic as an access log that ends now: what `up` replays."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from models.packs.access.data import combined_line, simulate
from models.packs.access.events import AccessEvent
from producer.delivery import Feed, Plan, Stop, deliver
from producer.ledger import Ledger
from producer.pacing import FlatOut
from producer.settings import Connections
from producer.sources import Source

SEED = 7
EVENTS = 5_000
OUTCOMES_WITHIN_S = 30.0


def write(folder: Path, until: datetime | None = None) -> Path:
    """A log with a scan, a run of stolen passwords and a scraper among ordinary visitors."""
    events = [event for event, _ in simulate(SEED, EVENTS)]
    shift = (until or datetime.now(UTC)) - datetime.fromisoformat(events[-1].occurred_at)
    log = folder / "sample" / "access.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as lines:
        for event in events:
            at = datetime.fromisoformat(event.occurred_at) + shift
            lines.write(f"{combined_line(_moved(event, at))}\n")
    return log


def replay(log: Path, connections: Connections, meanwhile: Callable[[], None]) -> Ledger:
    """Send the log through the pipeline and follow every line to its outcome.

    Args:
        meanwhile: Called ten times a second.

    Raises:
        Unavailable: Kafka did not answer.
    """
    plan = Plan(
        kafka=connections.kafka,
        pack=connections.pack,
        partitions=connections.partitions,
        batch=f"sample-{time.time_ns()}",
        pace=FlatOut(),
        wait_s=OUTCOMES_WITHIN_S,
    )
    feed = Feed(Source(str(log)).rows())
    account = deliver([feed], plan, Stop(), lambda _: meanwhile())
    if account.error:
        raise account.error
    return account.ledger


def _moved(event: AccessEvent, at: datetime) -> AccessEvent:
    return msgspec.structs.replace(event, occurred_at=at.isoformat())
