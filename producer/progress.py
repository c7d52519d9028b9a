"""What a replay shows while it runs: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

from producer.delivery import Account

_LINE_EVERY_S = 5.0

Show = Callable[[Account], None]


@contextmanager
def progress(size: int, position: Callable[[], int], quiet: bool) -> Iterator[Show]:
    """Gives what shows an account on standard error.

    Args:
        size: Of all sources together, 0 where it is not known.
        position: How much of it has been read.
        quiet: Show nothing.
    """
    if quiet:
        yield lambda account: None
    elif sys.stderr.isatty():
        with _bar() as bar:
            task = bar.add_task("", total=size or None, text="")
            yield lambda account: bar.update(task, completed=position(), text=in_words(account))
    else:
        yield _Lines()


class _Lines:
    def __init__(self) -> None:
        self._next = time.monotonic() + _LINE_EVERY_S

    def __call__(self, account: Account) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _LINE_EVERY_S
            sys.stderr.write(in_words(account) + "\n")


def in_words(account: Account) -> str:
    """Where a replay stands: `20,000 events/s, accepted 60,000, rejected 2, ...`."""
    ledger = account.ledger
    rejected = account.rejections.counts.total()
    accepted = ledger.sent - rejected
    outcomes = ledger.decided + ledger.duplicate + ledger.late + ledger.dead
    seconds = max(time.monotonic() - account.started, 1e-3)
    return (
        f"{ledger.sent / seconds:,.0f} events/s, accepted {accepted:,}, rejected {rejected:,},"
        f" decided {ledger.decided:,}, lag {accepted - outcomes:,}"
    )


def _bar() -> Progress:
    return Progress(
        SpinnerColumn(),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TextColumn("{task.fields[text]}"),
        console=Console(stderr=True),
        transient=True,
    )
