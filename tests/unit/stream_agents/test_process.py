"""That an agent which cannot go on ends, whatever its libraries still do."""

from __future__ import annotations

import subprocess
import sys

FAILING = """
import asyncio
from stream_agents import process

async def stubborn():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

async def failing(*_):
    left_behind = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    raise RuntimeError("kafka is away")

process._run = failing
process.run_agent("test", None, topic="", stage=None, store=None, beside=None, port=0)
"""


def test_an_error_ends_the_process_though_a_task_outlives_its_cancelling() -> None:
    ended = subprocess.run([sys.executable, "-c", FAILING], timeout=120, capture_output=True)

    assert ended.returncode == 1
    assert b"kafka is away" in ended.stdout + ended.stderr
