"""What the C library keeps of a peak goes back to the system."""

from __future__ import annotations

import os
import platform

import pytest

from scripts.bench.usage import rss_mb
from stream_agents.heap import Heap

BLOCKS, BLOCK = 100_000, 1_000

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="others keep nothing back")


def peak() -> list[bytes]:
    """Takes 100 MB and frees all but a hundredth of it; returns what stays."""
    taken = [bytes(BLOCK) for _ in range(BLOCKS)]
    return taken[::100]


@glibc
def test_what_a_peak_leaves_goes_back_to_the_system() -> None:
    heap = Heap(worth_a_look=BLOCKS * BLOCK)
    stays = peak()
    heap.passed(BLOCKS * BLOCK)
    before = rss_mb([os.getpid()])

    assert heap.give_back()

    assert before - rss_mb([os.getpid()]) > BLOCKS * BLOCK / 2**20 / 2
    assert len(stays) == BLOCKS / 100


@glibc
def test_a_look_is_taken_once_much_has_passed_and_then_not_again_before_as_much() -> None:
    heap = Heap(worth_a_look=1_000)
    heap.passed(999)
    assert not heap.give_back()
    heap.passed(1)
    assert heap.give_back()
    assert not heap.give_back()
