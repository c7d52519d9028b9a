"""Which partition an entity lives on: Java's murmur2, as every Kafka client can compute it."""

from __future__ import annotations

from functools import lru_cache

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


@lru_cache(maxsize=65_536)
def partition_of(entity: str, partitions: int) -> int:
    """The partition of an entity's events, in [0, partitions)."""
    return (murmur2(entity.encode("utf-8", "replace")) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Murmur2 as Kafka's Java client computes it: 32 bits, signed.

    References:
        org.apache.kafka.common.utils.Utils.murmur2.
    """
    body = len(data) & ~3
    h = (_SEED ^ len(data)) & _MASK
    for start in range(0, body, 4):
        k = (int.from_bytes(data[start : start + 4], "little") * _M) & _MASK
        k = ((k ^ (k >> 24)) * _M) & _MASK
        h = ((h * _M) & _MASK) ^ k
    if tail := data[body:]:
        h = ((h ^ int.from_bytes(tail, "little")) * _M) & _MASK
    h = ((h ^ (h >> 13)) * _M) & _MASK
    h ^= h >> 15
    return h - (1 << 32) if h & 0x80000000 else h
