"""Stop signals: one exception, put off while processes are being started or ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from scripts.stack.signals import STOPS, StopSignals


@pytest.fixture
def signals() -> Iterator[StopSignals]:
    signals = StopSignals()
    with signals.listening():
        yield signals


@pytest.mark.parametrize("number", STOPS)
def test_each_stop_signal_is_a_keyboard_interrupt(signals: StopSignals, number: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)


def stop_in_the_middle(signals: StopSignals, steps: list[str], depth: int) -> None:
    with signals.held_back():
        if depth:
            stop_in_the_middle(signals, steps, depth - 1)
        else:
            os.kill(os.getpid(), signal.SIGINT)
        steps.append("done")


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_stop_is_put_off_to_the_end_of_the_outermost(signals: StopSignals, depth: int) -> None:
    steps: list[str] = []

    with pytest.raises(KeyboardInterrupt):
        stop_in_the_middle(signals, steps, depth)
    assert len(steps) == depth + 1


def test_only_the_first_stop_counts(signals: StopSignals) -> None:
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)

    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)


def test_the_former_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGINT)

    with StopSignals().listening():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before
