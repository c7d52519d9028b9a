"""Connections that never end their request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from api import patience
from api.serving import OPTIONS

REQUEST_S = 0.3


async def answered_late(
    scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Reads the body, thinks for longer than a request may take, and answers."""
    while (await receive()).get("more_body"):
        pass
    await asyncio.sleep(2 * REQUEST_S)
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def serving(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """The port of a server with our options."""
    monkeypatch.setattr(patience, "REQUEST_S", REQUEST_S)
    options = {**OPTIONS, "loop": "none", "lifespan": "off"}
    server = uvicorn.Server(uvicorn.Config(answered_late, port=0, **options))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await running


async def told(port: int, *parts: bytes) -> bytes:
    """All that the server says to the parts, sent one after another, until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await asyncio.sleep(REQUEST_S / 3)
    said = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return said


HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"


@pytest.mark.parametrize(
    "parts",
    [(), (b"POST / HT",), (HEAD,), (HEAD + b"\r\nab",), (HEAD, b"\r\n", b"a", b"b")],
    ids=["nothing", "half a line", "half the headers", "half a body", "a dribble"],
)
async def test_a_request_that_does_not_end_is_given_up(
    monkeypatch: pytest.MonkeyPatch, parts: tuple[bytes, ...]
) -> None:
    async with serving(monkeypatch) as port:
        assert await told(port, *parts) == patience.TOO_SLOW


async def test_a_whole_request_may_be_answered_as_late_as_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = HEAD + b"Connection: close\r\n\r\nabcde"
    async with serving(monkeypatch) as port:
        assert (await told(port, whole)).startswith(b"HTTP/1.1 204 ")


async def test_the_second_request_of_a_connection_has_its_own_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(monkeypatch) as port:
        said = await told(port, HEAD + b"\r\nabcde" + HEAD)

    assert said.startswith(b"HTTP/1.1 204 ")
    assert said.count(b"HTTP/1.1 ") == 1
