"""The account of a replay: what was sent, how each event ended, and what is missing."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event, Thread

from confluent_kafka import Consumer, Message, TopicPartition

from models.contracts import Outcome

_log = logging.getLogger("centinela.kafka")
# Cannot occur inside a JSON string, where its quotes would be escaped.
_MARKS = {outcome: b'"outcome":"%s"' % outcome.value.encode() for outcome in Outcome}


@dataclass(slots=True)
class Ledger:
    """`sent = decided + duplicate + late + dead-lettered + missing`.

    Each number has one thread that writes it: the sender `sent`, the reports of delivery
    `rejected`, the watcher of outcomes the rest.

    Args:
        sent: Lines read, readable or not.
        rejected: Lines that could not be read and whose dead letters are acknowledged.
        dead: Events that the agents sent to the dead letters.
    """

    sent: int = 0
    decided: int = 0
    duplicate: int = 0
    late: int = 0
    dead: int = 0
    rejected: int = 0
    _open: dict[int, int] = field(default_factory=dict)

    @property
    def dead_lettered(self) -> int:
        return self.dead + self.rejected

    @property
    def missing(self) -> int:
        return self.sent - self.decided - self.duplicate - self.late - self.dead_lettered

    @property
    def is_settled(self) -> bool:
        """Whether the outcomes of all parts have come."""
        return not self._open

    def expect(self, part: int, events: int) -> None:
        """A part is about to be sent."""
        self._open[part] = events

    def settle(self, part: int, outcomes: bytes) -> bool:
        """Count a part's outcome lines, once; False for one that was counted or is not ours."""
        if self._open.pop(part, None) is None:
            return False
        self.decided += outcomes.count(_MARKS[Outcome.DECIDED])
        self.duplicate += outcomes.count(_MARKS[Outcome.DUPLICATE])
        self.late += outcomes.count(_MARKS[Outcome.LATE])
        self.dead += outcomes.count(_MARKS[Outcome.DEAD])
        return True

    def totals(self) -> dict[str, int]:
        return {
            "sent": self.sent,
            "decided": self.decided,
            "duplicate": self.duplicate,
            "late": self.late,
            "dead_lettered": self.dead_lettered,
            "missing": self.missing,
        }

    def __str__(self) -> str:
        return (
            f"sent {self.sent:,} = decided {self.decided:,} + duplicate {self.duplicate:,}"
            f" + late {self.late:,} + dead-lettered {self.dead_lettered:,}"
            f" + missing {self.missing:,}"
        )


class OutcomeWatch:
    """Reads `actions.<pack>` in a thread of its own and settles a ledger's parts.

    Args:
        offsets: Partition to the first offset to read; taken before the first event is sent.
        batch: The replay's id, as in the records' `batch` header.
    """

    def __init__(
        self, kafka: str, topic: str, offsets: Mapping[int, int], batch: str, ledger: Ledger
    ) -> None:
        self._places = [TopicPartition(topic, p, at) for p, at in offsets.items()]
        self._batch = batch.encode()
        self._ledger = ledger
        self._stopping = Event()
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka,
                "group.id": f"replay-{batch}",  # asked for by the client, never joined
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 100,
                "logger": _log,
            }
        )
        self._thread = Thread(target=self._watch, name="outcomes", daemon=True)
        self.last_news = time.monotonic()

    def __enter__(self) -> OutcomeWatch:
        self._consumer.assign(self._places)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._consumer.close()

    def _watch(self) -> None:
        while not self._stopping.is_set():
            for record in self._consumer.consume(200, timeout=0.1):
                self._settle(record)

    def _settle(self, record: Message) -> None:
        headers = dict(record.headers() or ())
        part = headers.get("part")
        if record.error() or headers.get("batch") != self._batch or not isinstance(part, bytes):
            return
        if self._ledger.settle(int(part), record.value() or b""):
            self.last_news = time.monotonic()
