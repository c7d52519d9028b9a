"""An agent killed under load: `python -m scripts.bench.recovery`.

10,000 events a second in batches of 100; after a while the ingestion agent gets SIGKILL and is
started again at once, later the decision agent. Lag is the age, at a look, of the oldest batch that
was acknowledged by Kafka and has not all of its answers.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from producer.publisher import Publisher, records_of
from producer.records import OutRecord, actions_topic
from scripts.bench.command import command
from scripts.bench.stacks import PARTITIONS, Running, batches_of, running_stack
from scripts.stack.waiting import held_in_time

BATCHES_PER_S, SIZE = 100, 100
LAG_S = 1.0
CALM_S = 0.5
"""The lag counts as gone once it has stayed below the limit for so long."""
WARM_UP_S = 4.0
GIVEN_UP_S = 60.0
MARK = b'"event_id":"'
NAMES = ("batch", "source-epoch", "source-offset")


@dataclass(slots=True)
class Books:
    """When each batch was sent, how many of its events are unanswered, and what came twice."""

    sent_at: dict[str, float] = field(default_factory=dict)
    open: dict[str, int] = field(default_factory=dict)
    places: set[tuple[int, str, str]] = field(default_factory=set)
    answered: int = 0
    repeated_records: int = 0

    def sent(self, batch: str, events: int) -> None:
        self.open[batch] = events
        self.sent_at[batch] = time.monotonic()

    def seen(self, batch: str, place: tuple[int, str, str], lines: int) -> None:
        if place in self.places:
            self.repeated_records += 1
            return
        self.places.add(place)
        self.answered += lines
        self.open[batch] -= lines
        if not self.open[batch]:
            del self.open[batch]

    def lag_s(self) -> float:
        """Of the oldest batch that is open; batches are sent, and dicts kept, in order."""
        for batch in tuple(self.open):
            return time.monotonic() - self.sent_at[batch]
        return 0.0


class Load(threading.Thread):
    """Sends a batch each time one is due; counts batches once Kafka has them."""

    def __init__(self, kafka: str, made: Sequence[Sequence[OutRecord]], books: Books) -> None:
        super().__init__(name="load", daemon=True)
        self._kafka, self._made, self._books = kafka, made, books

    def run(self) -> None:
        began = time.monotonic()
        with Publisher(self._kafka, linger_ms=2) as publisher:
            for number, records in enumerate(self._made):
                time.sleep(max(0.0, began + number / BATCHES_PER_S - time.monotonic()))
                self._books.sent(str(number), SIZE)
                for record in records:
                    publisher.put(record, lambda error, message: None)
            publisher.flush(30)


def run(quick: bool) -> dict[str, object]:
    victims = ("ingestion",) if quick else ("ingestion", "decision")
    each_s = 12 if quick else 15
    count = int((WARM_UP_S + each_s * len(victims)) * BATCHES_PER_S)
    made = [
        records_of("access", events, PARTITIONS, batch=str(number))
        for number, events in enumerate(batches_of(count, SIZE, 10_000, seed=31))
    ]
    with running_stack("ingestion", "decision") as stack:
        books = Books()
        reader = threading.Thread(target=_read, args=(stack, books, count * SIZE), daemon=True)
        reader.start()
        load = Load(stack.settings.kafka, made, books)
        load.start()
        time.sleep(WARM_UP_S)
        steady_lag = books.lag_s()
        recoveries = {}
        for victim in victims:
            began = time.monotonic()
            recoveries[victim] = _killed(stack, victim, books)
            time.sleep(max(0.0, began + each_s - time.monotonic()))
        load.join()
        ledger = stack.settled(count * SIZE)
        reader.join(20)
    return {
        "events_per_s": BATCHES_PER_S * SIZE,
        "steady_lag_s": round(steady_lag, 3),
        "seconds_until_lag_below_1_s": recoveries,
        "sent": count * SIZE,
        "answered": books.answered,
        "lost": count * SIZE - books.answered,
        "repeated_records_to_drop": books.repeated_records,
        "ledger": ledger,
    }


def _killed(stack: Running, victim: str, books: Books) -> dict[str, float | None]:
    """SIGKILL, started again; how long until its lag is gone, None if it stays."""
    os.kill(stack.pids[victim], signal.SIGKILL)
    began, worst, calm_since = time.monotonic(), 0.0, 0.0
    supervisor = stack.servers.supervisor
    while time.monotonic() - began < GIVEN_UP_S:
        supervisor.check()
        lag, now = books.lag_s(), time.monotonic()
        worst = max(worst, lag)
        if lag >= LAG_S or worst < LAG_S:
            calm_since = 0.0
        elif not calm_since:
            calm_since = now
        elif now - calm_since > CALM_S:
            break
        time.sleep(0.02)
    held_in_time(lambda: victim in stack.pids, 5, supervisor.check)
    recovered = round(calm_since - began, 2) if calm_since else None
    return {"recovered_s": recovered, "worst_lag_s": round(worst, 2)}


def _read(stack: Running, books: Books, events: int) -> None:
    """Answers as they come, until all are there or none has come for 20 s."""
    options: dict[str, Any] = {
        "bootstrap.servers": stack.settings.kafka,
        "group.id": "recovery",  # asked for by the client, never joined
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 50,
    }
    consumer = Consumer(options)
    topic = actions_topic("access")
    consumer.assign([TopicPartition(topic, p, 0) for p in range(PARTITIONS)])
    last = time.monotonic()
    while books.answered < events and time.monotonic() - last < 20:
        for message in consumer.consume(200, 0.05):
            last = time.monotonic()
            headers = dict(message.headers() or ())
            batch, epoch, offset = (_text(headers.get(name)) for name in NAMES)
            place = (message.partition() or 0, epoch, offset)
            lines = (message.value() or b"").count(MARK)
            books.seen(batch, place, lines)
    consumer.close()


def _text(header: object) -> str:
    return header.decode() if isinstance(header, bytes) else ""


if __name__ == "__main__":
    command(run, quick="The ingestion agent alone.")
