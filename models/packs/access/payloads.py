"""Labelled values from a seed: what attackers put into a request, and what everybody else does.

All of it is drawn from grammars of our own; no published list of payloads is in it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from urllib.parse import quote

from models.packs.access.grammar import Grammar
from models.packs.access.payloads_engine import ENGINE, overflow
from models.packs.access.payloads_script import SCRIPT
from models.packs.access.payloads_sql import SQL
from models.packs.access.payloads_system import COMMAND, TRAVERSAL
from models.packs.access.values import ORDINARY

ATTACKS = 0.33
"""Share of the values."""

LONGEST = 2_000

_SQL, _WEB, _COMMAND, _TRAVERSAL, _ORDINARY = (
    Grammar(SQL),
    Grammar(SCRIPT, ENGINE),
    Grammar(COMMAND),
    Grammar(TRAVERSAL),
    Grammar(ORDINARY),
)

KINDS: dict[str, tuple[float, Callable[[random.Random], str]]] = {
    "sql": (0.36, lambda chance: _SQL.draw(chance, "sql")),
    "script": (0.2, lambda chance: _WEB.draw(chance, "script")),
    "command": (0.16, lambda chance: _COMMAND.draw(chance, "command")),
    "traversal": (0.14, lambda chance: _TRAVERSAL.draw(chance, "traversal")),
    "engine": (0.13, lambda chance: _WEB.draw(chance, "engine")),
    "overflow": (0.01, overflow),
}
"""Kind of attack to its share and its maker."""


def values(seed: int, n: int) -> Iterator[tuple[str, str]]:
    """`n` values and their kinds, `""` for ordinary ones; the same seed gives the same values.

    A value is as the sender would have it percent-decoded once: a few attacks are encoded further.
    """
    chance = random.Random(f"values/{seed}")
    for _ in range(n):
        if chance.random() < ATTACKS:
            kind = chance.choices(list(KINDS), [share for share, _ in KINDS.values()])[0]
            yield attack(chance, kind)[:LONGEST], kind
        else:
            yield ordinary(chance)[:LONGEST], ""


def ordinary(chance: random.Random) -> str:
    return _ORDINARY.draw(chance, "value")


def attack(chance: random.Random, kind: str) -> str:
    """A payload: alone, in the middle of an ordinary value, or encoded once more."""
    payload = KINDS[kind][1](chance)
    how = chance.random()
    if how < 0.08:
        payload = ordinary(chance) + payload
    elif how < 0.12:
        payload = f"{ordinary(chance)} {payload} {ordinary(chance)}"
    if chance.random() < 0.07:
        return quote(quote(payload))
    return payload
