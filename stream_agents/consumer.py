"""Faust's Kafka consumer, in the agent's own event loop.

Faust gives it a thread with a loop of its own, so every fetch crosses between threads twice, and
waits for the interpreter each time. Here heartbeats go out between chunks instead, which take a
fraction of a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer
from mode.threads import ServiceThread, WorkerThread
from mode.utils.futures import maybe_async


class _Task(WorkerThread):
    """Runs in the loop what a thread would run in its own."""

    def __init__(self, service: ServiceThread, **kwargs: Any) -> None:
        super().__init__(service, **kwargs)
        self._serving: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._serving = asyncio.create_task(self.service._serve())
        # The service tells of its crash itself.
        self._serving.add_done_callback(lambda done: done.cancelled() or done.exception())

    def stop(self) -> None:
        """Does not wait: the service has, for its consumer."""


class LoopConsumer(AIOKafkaConsumerThread):
    """What Faust takes for the consumer's thread."""

    Worker = _Task

    def __init__(self, consumer: Consumer) -> None:
        loop = consumer.loop
        super().__init__(consumer, loop=loop, thread_loop=loop, beacon=consumer.beacon)

    async def call_thread(self, fun: Callable[..., Awaitable[Any]], *args: Any, **kw: Any) -> Any:
        return await maybe_async(fun(*args, **kw))

    async def _gather_remaining_tasks(self) -> None:
        """None: the loop's other tasks are the agent's."""
