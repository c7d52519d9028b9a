"""How long a connection may take over a request: one that never ends must not hold a socket."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

REQUEST_S = 30.0
"""From the first byte of a request, or from the connection on, to the request's last byte."""

TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which by itself waits for a request for ever."""

    waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its parent
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._wait_no_more()

    def _wait(self) -> None:
        self._wait_no_more()
        self.waiting = self.loop.call_later(REQUEST_S, self._give_up)

    def _wait_no_more(self) -> None:
        if self.waiting is not None:
            self.waiting.cancel()
            self.waiting = None

    def _give_up(self) -> None:
        if self._is_answering:
            return self._wait()
        if self.transport.is_closing():
            return None
        if self.cycle is None or not self.cycle.response_started:
            self.transport.write(TOO_SLOW)
        return self.transport.close()

    @property
    def _is_answering(self) -> bool:
        """Whether an earlier request of the connection, a whole one, still waits for its answer."""
        earlier = self.cycle
        if earlier is None or self.pipeline:
            return bool(self.pipeline)
        return not (earlier.more_body or earlier.response_complete)
