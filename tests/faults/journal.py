"""What was sent, and what the broker said about it: one side of the books."""

from __future__ import annotations

import hashlib
import itertools
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Event, Lock, Thread

from confluent_kafka import KafkaError, Message

from models.catalog import pack_named
from models.errors import Unavailable
from producer.publisher import Publisher, records_of
from producer.records import OutRecord
from scripts.bench import load
from tests.faults.cluster import PACK, PARTITIONS

Line = tuple[str, str, bytes]
"""Event id, client, the line itself."""

CLIENTS = 200
TICK_S = 0.05
MOST_LINES = 1_000_000


@dataclass(frozen=True, slots=True)
class Sent:
    """One record.

    Args:
        ids: Of its events, in order.
        digest: SHA-256 of the record's value.
        partition, offset: Where the broker says it stands; None where it did not say.
    """

    ids: tuple[str, ...]
    digest: bytes
    partition: int
    offset: int | None = None


@dataclass(slots=True)
class Journal:
    """What became of what was sent.

    Args:
        acked: Acknowledged by the broker: must be on the log and answered.
        ambiguous: Not acknowledged in time: may be on the log, or not.
        refused: Never handed over, since the client's queue was full.
    """

    acked: list[Sent] = field(default_factory=list)
    ambiguous: list[Sent] = field(default_factory=list)
    refused: list[Sent] = field(default_factory=list)

    @property
    def events(self) -> int:
        """How many events were acknowledged."""
        return sum(len(sent.ids) for sent in tuple(self.acked))


class Producer:
    """Sends seeded access events at a rate, from a thread, and keeps a `journal`.

        with Producer(cluster.kafka, rate=1000, seed=3) as producer:
            ...the fault...
        verdict = ledger.check(cluster, producer.journal)

    Leaving the block stops the thread and waits for what is in flight.

    Args:
        rate: Events a second.
        lines: What is sent, in its order; seeded bench traffic with repeats and lines that can
            never be judged unless given. The thread ends with it.
        delivery_timeout_s: After so long without an acknowledgement a record is ambiguous.
    """

    def __init__(
        self,
        kafka: str,
        *,
        rate: float = 1_000.0,
        seed: int = 1,
        partitions: int = PARTITIONS,
        lines: Iterable[Line] | None = None,
        delivery_timeout_s: float = 10.0,
    ) -> None:
        self.journal = Journal()
        self.rate = rate
        self._partitions = partitions
        self._lines = iter(traffic(seed) if lines is None else lines)
        self._lock = Lock()
        self._publisher = Publisher(kafka, linger_ms=2, delivery_timeout_s=delivery_timeout_s)
        self._stopping = Event()
        self._thread = Thread(target=self._send_at_rate, name="journal", daemon=True)

    def __enter__(self) -> Producer:
        # The simulator takes seconds for its first line: no fault is to come before the traffic.
        self._lines = itertools.chain(list(itertools.islice(self._lines, 1)), self._lines)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Send no more; returns when the broker has spoken about everything."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(60)
        self._publisher.flush(60)
        self._publisher.close()

    def send(self, lines: Sequence[Line]) -> None:
        """Send now, from the caller's thread; the journal learns of it when the broker answers."""
        for record, ids in _records(lines, self._partitions):
            sent = Sent(ids, hashlib.sha256(record.value).digest(), record.partition)
            try:
                self._publisher.put(record, _Note(self.journal, sent))
            except Unavailable:
                self.journal.refused.append(sent)

    def send_next(self, events: int) -> int:
        """Send so many of the seeded lines now, whatever the rate; returns how many there were."""
        with self._lock:
            taken = list(itertools.islice(self._lines, events))
        self.send(taken)
        return len(taken)

    def flush(self, within_s: float = 30.0) -> None:
        """Wait for the acknowledgements of what was sent."""
        assert not self._publisher.flush(within_s), "the broker has not acknowledged everything"

    def _send_at_rate(self) -> None:
        started, handed_over = time.monotonic(), 0
        while not self._stopping.wait(TICK_S):
            due = int(self.rate * (time.monotonic() - started)) - handed_over
            # A sender that was held up goes on at its rate, it does not catch up in one burst.
            share = min(due, int(self.rate))
            if share > 0 and not self.send_next(share):
                return
            handed_over += due


def traffic(
    seed: int,
    *,
    clients: int = CLIENTS,
    repeats: float = 0.02,
    broken: float = 0.004,
    events: int = MOST_LINES,
) -> Iterator[Line]:
    """Bench traffic; some ids come again, some lines can never be judged.

    Args:
        repeats: Share of lines that are an earlier one again, of the last few thousand.
        broken: Share of lines after which one follows that is no event: no JSON, or a status that
            cannot be.
    """
    chance = random.Random(seed)
    past: list[Line] = []
    until_us = time.time_ns() // 1_000
    made = load.lines(
        pack_named(PACK), events, clients, is_flat=False, seed=seed, until_us=until_us
    )
    for number, (client, line) in enumerate(made):
        current = (f"{seed}-{number}", client, line)
        yield current
        if chance.random() < repeats and past:
            yield chance.choice(past)
        if chance.random() < broken:
            yield f"broken-{seed}-{number}", client, spoilt(line, chance)
        if len(past) < 4_000:
            past.append(current)
        else:
            past[chance.randrange(len(past))] = current


def spoilt(line: bytes, chance: random.Random) -> bytes:
    """A line that ends in the dead letters: cut short, no object, or outside its range."""
    whole = line.replace(b'"event_id":"', b'"event_id":"broken-', 1)
    return chance.choice(
        (
            whole[: len(whole) // 2],
            b'["not", "an", "event"]',
            whole.replace(b'"status":', b'"status":7', 1),
            whole.replace(b'"method"', b'"verb"', 1),
        )
    )


def _records(lines: Sequence[Line], partitions: int) -> Iterator[tuple[OutRecord, tuple[str, ...]]]:
    """Records as our publisher makes them, each with the ids of its events."""
    ids: dict[bytes, str] = {line: event_id for event_id, _, line in lines}
    for record in records_of(PACK, lines, partitions):
        yield record, tuple(ids[line] for line in record.value.split(b"\n"))


@dataclass(frozen=True, slots=True)
class _Note:
    """Called by the client's thread with what the broker said of one record."""

    journal: Journal
    sent: Sent

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        sent = self.sent
        if error is None:
            at = message.offset()
            self.journal.acked.append(Sent(sent.ids, sent.digest, sent.partition, at))
        else:
            self.journal.ambiguous.append(sent)
