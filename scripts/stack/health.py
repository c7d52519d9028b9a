"""Whether a process answers, asked in its own language over a plain socket."""

from __future__ import annotations

import socket
import struct
import urllib.error
import urllib.request
from collections.abc import Callable

TIMEOUT_S = 1.0

PING = b"*1\r\n$4\r\nPING\r\n"

# ApiVersions (key 18), version 0, correlation id 1, no client id: the one request that every broker
# answers, and in KRaft only once it has joined its cluster.
API_VERSIONS = struct.pack(">hhih", 18, 0, 1, -1)


def redis_answers(port: int) -> Callable[[], bool]:
    return lambda: _ask(port, PING, 5) == b"+PONG"


def kafka_answers(port: int) -> Callable[[], bool]:
    request = struct.pack(">i", len(API_VERSIONS)) + API_VERSIONS
    return lambda: _ask(port, request, 8)[4:] == struct.pack(">i", 1)


def http_answers(url: str) -> Callable[[], bool]:
    """Whether a GET is answered with 200."""
    return lambda: http_status(url) == 200


def http_status(url: str) -> int | None:
    """How a GET is answered; None where it is not."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def is_listening(host: str, port: int) -> bool:
    """Whether anybody takes connections there, whatever it then answers."""
    try:
        socket.create_connection((host, port), TIMEOUT_S).close()
    except OSError:
        return False
    return True


def _ask(port: int, request: bytes, length: int) -> bytes:
    """The first bytes of the answer, or fewer if there is none."""
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
            connection.sendall(request)
            return connection.recv(length, socket.MSG_WAITALL)
    except OSError:
        return b""
