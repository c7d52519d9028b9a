"""What a run is asked to do; light, since every command of the CLI imports it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Track(StrEnum):
    """What the pipeline may see; see `tracks.py`."""

    FULL = "full"
    BEHAVIOUR = "behaviour"
    REROOTED = "rerooted"


@dataclass(frozen=True, slots=True)
class Variant:
    """How an attack is disguised.

    Args:
        stretch: How many times longer than in its log it takes.
        addresses: How many clients share its requests, one after another.
    """

    stretch: int
    addresses: int


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is the same for all variants.

    Args:
        starts: Runs a variant, each attack at a start of its own in each.
        lines: Taken of each attack, after the first `after` of its log.
        hostile: Clients of the backgrounds that are known to attack.
        compares: Whether plain detectors run beside.
    """

    starts: int = 20
    seed: int = 7
    lines: int = 1_500
    after: int = 0
    hostile: frozenset[str] = frozenset()
    compares: bool = True
