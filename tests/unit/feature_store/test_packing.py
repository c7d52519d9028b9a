"""Commands as bytes: packed in C as redis-py packs them in Python."""

from __future__ import annotations

from typing import Any

import pytest
from redis.asyncio import Connection

from feature_store.online import PackedConnection


@pytest.mark.parametrize(
    "command",
    [
        ("GET", "key"),
        ("CONFIG GET", "maxmemory"),
        (b"PING",),
        ("SET", "é", b"\x00\r\n\xff", "EX", 60),
        ("EVALSHA", "a" * 40, 2, "fence", "", b"", 0.5, b"x" * 10_000),
    ],
)
def test_a_command_is_packed_as_the_client_packs_it(command: tuple[Any, ...]) -> None:
    packed = b"".join(PackedConnection().pack_command(*command))

    assert packed == b"".join(Connection().pack_command(*command))
