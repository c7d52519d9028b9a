"""One replay, from its first row to its account; what is read and how it is shown come in."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event

from models.errors import DetectionError, InvalidEvent, InvalidSource, Unavailable
from models.packs.access.events import AccessEvent
from producer import topics
from producer.instants import micros
from producer.ledger import Ledger, OutcomeWatch
from producer.pacing import TICK_S, Pace, moved
from producer.positions import Watermark
from producer.publisher import Publisher
from producer.records import actions_topic
from producer.rows import Row
from producer.sending import Rejections, Sender

DELIVERY_S = 30.0
_LOOK_S = 0.1
_KEEP_S = 1.0
_AFTER_FAULT_S = 5.0


@dataclass(slots=True)
class Shift:
    """Moves event times by one distance.

    Args:
        to: Where the first event goes, in microseconds, as long as `by` is not known.
        by: The distance in microseconds.
    """

    to: int
    by: int | None = None

    def __call__(self, event: AccessEvent) -> AccessEvent:
        if self.by is None:
            self.by = self.to - micros(event.occurred_at)
        return moved(event, self.by)


@dataclass(frozen=True, slots=True)
class Feed:
    """Rows of one source.

    Args:
        rows: None stands for a moment in which nothing came.
        after: The line after which they start.
        shift: Moves the events; None leaves them.
        keep: Is told, now and then, up to which line all is acknowledged.
    """

    rows: Iterator[Row | None]
    after: int = 0
    shift: Shift | None = None
    keep: Callable[[int], None] = lambda line: None


@dataclass(frozen=True, slots=True)
class Plan:
    """Where to and how fast.

    Args:
        batch: The replay's id.
        wait_s: For how long no outcome may come before the rest counts as missing.
    """

    kafka: str
    pack: str
    partitions: int
    batch: str
    pace: Pace
    wait_s: float


@dataclass(slots=True)
class Account:
    """What a replay has come to; while it runs, and in the end.

    Args:
        error: What ended the replay before its sources did.
        interrupted: The user ended it.
    """

    ledger: Ledger = field(default_factory=Ledger)
    rejections: Rejections = field(default_factory=Rejections)
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    interrupted: bool = False
    error: DetectionError | None = None


class Stop:
    """A user's Ctrl-C: the first stops the sending, the second the waiting for outcomes."""

    def __init__(self) -> None:
        self.sending = Event()
        self.waiting = Event()

    def __call__(self, *_: object) -> None:
        if self.sending.is_set():
            self.waiting.set()
        self.sending.set()


@contextmanager
def stopped_by_signals() -> Iterator[Stop]:
    """Ctrl-C and SIGTERM stop a replay in good order; only the main thread hears them."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def deliver(
    feeds: Iterable[Feed], plan: Plan, stop: Stop, show: Callable[[Account], None]
) -> Account:
    """Send all feeds and follow every event to its outcome.

    Args:
        show: Is told, ten times a second, where the replay stands.

    Raises:
        InvalidSource: The topics are not as set.
        Unavailable: Kafka did not answer at the start. Later faults are in the account.
    """
    topics.ensure_topics(plan.kafka, plan.pack, plan.partitions)
    actions = actions_topic(plan.pack)
    offsets = topics.end_offsets(plan.kafka, actions)
    account = Account()
    with (
        Publisher(plan.kafka, linger_ms=5, delivery_timeout_s=DELIVERY_S) as publisher,
        OutcomeWatch(plan.kafka, actions, offsets, plan.batch, account.ledger) as watch,
    ):
        sender = Sender(publisher, plan.pack, plan.partitions, plan.batch, account.ledger)
        account.rejections = sender.rejections
        delivery = _Delivery(plan, sender, watch, stop, account, show)
        delivery.send(feeds)
        delivery.wait_for_outcomes()
    account.interrupted = stop.sending.is_set()
    account.seconds = time.monotonic() - account.started
    return account


class _Delivery:
    def __init__(
        self,
        plan: Plan,
        sender: Sender,
        watch: OutcomeWatch,
        stop: Stop,
        account: Account,
        show: Callable[[Account], None],
    ) -> None:
        self._plan = plan
        self._sender = sender
        self._watch = watch
        self._stop = stop
        self._account = account
        self._show = show
        self._marks: list[tuple[Feed, Watermark]] = []
        self._next_look = self._next_keep = 0.0

    def send(self, feeds: Iterable[Feed]) -> None:
        """Until the feeds or the user end it; a fault ends it too, and goes into the account."""
        try:
            for feed in feeds:
                self._marks.append((feed, self._sender.start_source(feed.after)))
                self._send(feed)
                if self._stop.sending.is_set():
                    break
            self._sender.flush()
        except Unavailable as error:
            self._account.error = error
        except InvalidSource as error:
            self._account.error = error
            self._sender.flush()

    def wait_for_outcomes(self) -> None:
        """Of what was sent, while they come; after a fault, not for long."""
        deadline = time.monotonic() + DELIVERY_S
        while not (self._sender.is_acknowledged or self._account.error):
            if time.monotonic() > deadline:
                self._account.error = Unavailable(f"Kafka: no answer within {DELIVERY_S:g} s")
            time.sleep(0.005)
            self._note_failure()
        self._watch.last_news = time.monotonic()
        while not self._account.ledger.is_settled and not self._gave_up():
            time.sleep(0.02)
            self._look()
        self._keep_positions()

    def _send(self, feed: Feed) -> None:
        for row in feed.rows:
            if row is None:
                self._sender.flush()
            elif row.event is None:
                self._sender.add(row, None)
            elif self._waited_for(row.event):
                self._add(row, row.event, feed.shift)
            self._note_failure()
            self._look()
            if self._stop.sending.is_set() or self._account.error:
                return

    def _add(self, row: Row, event: AccessEvent, shift: Shift | None) -> None:
        try:
            self._sender.add(row, shift(event) if shift else event)
        except InvalidEvent as error:
            self._sender.add(row._replace(reason=str(error)), None)

    def _waited_for(self, event: AccessEvent) -> bool:
        """Wait until the event is due; False if the user has stopped the sending."""
        now = time.monotonic()
        due = now + self._plan.pace.due_in(event, now)
        while not self._stop.sending.is_set() and (left := due - time.monotonic()) > TICK_S:
            self._sender.flush()
            self._stop.sending.wait(min(left, _LOOK_S))
            self._look()
        return not self._stop.sending.is_set()

    def _note_failure(self) -> None:
        if self._sender.failure and not self._account.error:
            self._account.error = self._sender.failure

    def _gave_up(self) -> bool:
        wait_s = (
            min(self._plan.wait_s, _AFTER_FAULT_S) if self._account.error else self._plan.wait_s
        )
        return self._stop.waiting.is_set() or time.monotonic() - self._watch.last_news > wait_s

    def _look(self) -> None:
        """Show and keep where things stand, when it is time."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK_S
            self._show(self._account)
        if now >= self._next_keep:
            self._next_keep = now + _KEEP_S
            self._keep_positions()

    def _keep_positions(self) -> None:
        for feed, watermark in self._marks:
            feed.keep(watermark.advance())
