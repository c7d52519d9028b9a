"""The packs there are."""

from __future__ import annotations

from models.errors import InvalidSource
from models.pack import DomainPack
from models.packs.access import PACK as ACCESS

PACKS = (ACCESS,)


def pack_named(name: str) -> DomainPack:
    """Raises InvalidSource where there is no such pack."""
    for pack in PACKS:
        if pack.name == name:
            return pack
    known = ", ".join(pack.name for pack in PACKS)
    raise InvalidSource(f"pack must be one of {known}, got {name!r}")
