"""A TCP proxy between our processes and a server, which can spoil what passes through it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock, Thread

from scripts.stack.ports import free_ports

CHUNK = 64 * 1024
ACCEPT_S = 0.2
RST = b"\1\0\0\0\0\0\0\0"
"""SO_LINGER on, for no time: closing resets the connection."""


@dataclass(eq=False, slots=True)
class Link:
    """One connection through the proxy.

    Args:
        loses: The server's next bytes are dropped, and the connection ends.
    """

    client: socket.socket
    server: socket.socket
    loses: bool = False

    def close(self) -> None:
        for end in (self.client, self.server):
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
                end.shutdown(socket.SHUT_RDWR)
            with suppress(OSError):
                end.close()


@dataclass(eq=False, slots=True)
class Proxy:
    """Forwards `port` to `target`, port of a server on this machine.

    Args:
        delay_s: Each piece waits so long, in both directions.
        silent: Half-open: connections are taken and held, nothing passes.
        cut: Connections are reset, new ones too.
        losing: So many times yet, the reply to a command that holds `wanted` is lost after the
            server has carried the command out.
        lost: How many replies were lost.
    """

    target: int
    port: int = field(default_factory=lambda: free_ports(1)[0])
    delay_s: float = 0.0
    silent: bool = False
    cut: bool = False
    losing: int = 0
    wanted: bytes = b""
    lost: int = 0
    _links: set[Link] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)
    _closed: bool = False

    @property
    def url(self) -> str:
        """As a Redis URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def break_links(self) -> None:
        """Reset every connection there is; new ones are taken."""
        for link in tuple(self._links):
            link.close()

    def cut_off(self) -> None:
        """Reset every connection, and each new one, until `mend`."""
        self.cut = True
        self.break_links()

    def mend(self) -> None:
        """As if nothing had been; what went silent is reset, as its peers have given it up."""
        was_silent, self.silent, self.cut, self.delay_s = self.silent, False, False, 0.0
        if was_silent:
            self.break_links()

    def switch(self, target: int) -> None:
        """Forward to another server from now on."""
        self.target = target
        self.break_links()

    def lose_replies(self, times: int, wanted: bytes) -> None:
        """Lose the replies to the next commands that hold these bytes."""
        with self._lock:
            self.wanted, self.losing = wanted, times

    def serve(self) -> None:
        with socket.create_server(("127.0.0.1", self.port)) as listening:
            listening.settimeout(ACCEPT_S)
            while not self._closed:
                with suppress(TimeoutError):
                    self._take(listening.accept()[0])

    def close(self) -> None:
        self._closed = True
        self.break_links()

    def _take(self, client: socket.socket) -> None:
        if self.cut:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
            client.close()
            return
        try:
            server = socket.create_connection(("127.0.0.1", self.target), 5)
        except OSError:
            client.close()
            return
        for end in (client, server):
            end.settimeout(None)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(client, server)
        self._links.add(link)
        for from_client in (True, False):
            Thread(target=self._pump, args=(link, from_client), daemon=True).start()

    def _pump(self, link: Link, from_client: bool) -> None:
        source, sink = (link.client, link.server) if from_client else (link.server, link.client)
        with suppress(OSError):
            while piece := source.recv(CHUNK):
                if self.delay_s:
                    time.sleep(self.delay_s)
                while self.silent:
                    time.sleep(0.05)
                if from_client:
                    self._look_at(link, piece)
                elif link.loses:
                    break
                sink.sendall(piece)
        link.close()
        self._links.discard(link)

    def _look_at(self, link: Link, piece: bytes) -> None:
        with self._lock:
            if self.losing > 0 and self.wanted in piece:
                self.losing -= 1
                self.lost += 1
                link.loses = True


@contextmanager
def proxy(target: int) -> Iterator[Proxy]:
    """A proxy that serves from a thread of its own."""
    running = Proxy(target)
    thread = Thread(target=running.serve, name="proxy", daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.close()
        thread.join(5)
