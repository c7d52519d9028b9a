"""What a record may hold that is no event: bytes of all kinds, from a table and a seed."""

from __future__ import annotations

import gzip
import json
import random
import struct
import zlib
from collections.abc import Iterator

GOOD = json.dumps(
    {
        "event_id": "shape",
        "occurred_at": "2026-01-01T00:00:00Z",
        "client_ip": "198.51.100.9",
        "method": "GET",
        "path": "/",
        "status": 200,
    }
).encode()

AVRO = (
    b"Obj\x01\x04\x14avro.codec\x08null\x16avro.schema\x80\x02" + b'{"type":"record"}' + bytes(16)
)
CONFLUENT_AVRO = b"\x00" + struct.pack(">I", 7) + b"\x0c203.0.113.7\x06GET\x02/"
PROTOBUF = b"\x0a\x0b203.0.113.7\x12\x03GET\x1a\x01/\x20\xc8\x01"
MESSAGEPACK = b"\x83\xa9client_ip\xab203.0.113.7\xa6method\xa3GET\xa6status\xcc\xc8"
PARQUET = b"PAR1" + bytes(40) + b"PAR1"
PICKLE = b"\x80\x04\x95\x1f\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x06status\x94K\xc8s."
XML = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbb">]><event><status>&b;</status></event>'

TABLE: tuple[bytes, ...] = (
    b"null",
    b"true",
    b"0",
    b"-0.0",
    b"1e999",
    b"NaN",
    b"Infinity",
    b'""',
    b'"text"',
    b"[]",
    b"{}",
    b"[{}]",
    b"{",
    b"}",
    b"[" * 10_000,
    b'{"a":' * 5_000,
    b"not json",
    b"\x00",
    b"\x00" * 1_000,
    b"\xff\xfe",
    b"\xef\xbb\xbf" + GOOD,
    b"\x1f\x8b",
    b"\x1b[2J\x1b[31m",
    GOOD + GOOD,
    b"[" + GOOD + b"]",
    GOOD + b",",
    GOOD[:-1],
    GOOD[1:],
    GOOD.decode().encode("utf-16"),
    GOOD.decode().encode("utf-32"),
    GOOD.replace(b'"', b"'"),
    json.dumps(json.loads(GOOD), indent=1).encode(),
    gzip.compress(GOOD),
    zlib.compress(GOOD),
    AVRO,
    CONFLUENT_AVRO,
    PROTOBUF,
    MESSAGEPACK,
    PARQUET,
    PICKLE,
    XML,
    b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
    b'203.0.113.7 - - [21/Nov/2026:03:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "curl/8"',
    b"id;time;ip\n1;2026-01-01;203.0.113.7",
    GOOD.replace(b'"/"', b'"\\ud800"'),
    GOOD.replace(b'"/"', b'"\xc0\xaf"'),
    GOOD.replace(b'"/"', b'"a\x00b"'),
    GOOD.replace(b'"shape"', b'"' + b"x" * 257 + b'"'),
    GOOD.replace(b'"shape"', b"7"),
    GOOD.replace(b"2026-01-01", b"2026-02-30"),
    GOOD.replace(b"2026-01-01T00:00:00Z", b"yesterday"),
    GOOD.replace(b"198.51.100.9", b""),
    GOOD.replace(b"200", b"7"),
    GOOD.replace(b"200", b"9" * 5_000),
    GOOD.replace(b'"status"', b'"Status"'),
    GOOD.replace(b"}", b', "version": 99}'),
    b"not json\n" + GOOD[:-1] + b"\n\n" + b"{}",
)
"""Each holds no event at all."""

EMPTY: tuple[bytes | None, ...] = (None, b"", b"\n", b" \n\t\n\r\n")
"""Records without a line."""

HEADERS: tuple[list[tuple[str, bytes | None]], ...] = (
    [],
    [("batch", b"\xff\x00"), ("part", b"-1"), ("reply", b"\r\nSET a b")],
    [("batch", b"x" * 2_000), ("part", b"9" * 400)],
    [("source-epoch", b"forged"), ("source-offset", b"99999999999")],
    [("trace", b"\x1b[31m"), ("trace", None)],
    [("arrived", b"not a number"), ("", b"")],
)


def broken_shapes(chance: random.Random, count: int) -> Iterator[bytes]:
    """The table, then as many spoilt copies of a good event as are wanted; none is an event."""
    yield from TABLE[:count]
    for _ in range(count - len(TABLE)):
        yield _spoilt(chance)


def _spoilt(chance: random.Random) -> bytes:
    """A good event cut short, with bytes overwritten, or noise."""
    kind = chance.randrange(3)
    if kind == 0:
        return GOOD[: chance.randrange(1, len(GOOD) - 1)]
    if kind == 1:
        return chance.randbytes(chance.randrange(1, 300)).replace(b"\n", b"\r")
    spoilt = bytearray(GOOD)
    # An invalid byte of UTF-8 somewhere: whatever else is written over, no event is left.
    for place in chance.sample(range(len(GOOD)), 5):
        spoilt[place] = chance.choice(b'\xff\xfe\xc0"{}[]')
    spoilt[chance.randrange(len(GOOD))] = 0xFF
    return bytes(spoilt)
