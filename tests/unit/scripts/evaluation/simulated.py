"""Logs of the simulated day, for the tests of this folder: visitors, and one attacker alone."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

from models.packs.access import PACK
from models.packs.access.data import combined_line
from models.packs.access.events import AccessEvent

SEED, EVENTS = 3, 4_000


@cache
def day() -> tuple[tuple[AccessEvent, ...], tuple[AccessEvent, ...]]:
    """The visitors' events, and those of the attacker who asks in vain most often."""
    pairs = list(PACK.simulate(SEED, EVENTS))
    attacks = [event for event, label in pairs if label]
    loudest, _ = Counter(e.client_ip for e in attacks if e.status == 404).most_common(1)[0]
    visitors = tuple(event for event, label in pairs if not label)
    return visitors, tuple(event for event in attacks if event.client_ip == loudest)


def logs(folder: Path) -> tuple[Path, Path]:
    """The two as files; the attack's lines are wrapped in quotes, as a scanner's log may be."""
    visitors, attack = day()
    background, scan = folder / "visitors.log", folder / "scan.log"
    background.write_text("".join(f"{combined_line(event)}\n" for event in visitors))
    scan.write_text("".join(f'"{combined_line(event)}"\n' for event in reversed(attack)))
    return background, scan
