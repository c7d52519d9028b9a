"""Texts from templates, so that a few lines of vocabulary stand for millions of values."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence

Part = Sequence[str] | Callable[[random.Random], str]
"""Templates to choose from, all equally likely, or a function that makes a text."""

LOWER = "abcdefghijklmnopqrstuvwxyz"
DIGITS = "0123456789"
HEXADECIMAL = DIGITS + "abcdef"
_HOLE = re.compile("«([a-z0-9_]+)»")


class Grammar:
    """Parts by name; in a template, `«name»` stands for a text of that part, drawn anew."""

    def __init__(self, *parts: Mapping[str, Part]) -> None:
        self._parts = {name: part for each in parts for name, part in each.items()}

    def draw(self, chance: random.Random, name: str) -> str:
        part = self._parts[name]
        return part(chance) if callable(part) else self.filled(chance, chance.choice(part))

    def filled(self, chance: random.Random, template: str) -> str:
        return _HOLE.sub(lambda hole: self.draw(chance, hole[1]), template)


def text_of(letters: str, least: int, most: int) -> Callable[[random.Random], str]:
    """Makes texts of these letters, from the least to the most of them."""

    def text(chance: random.Random) -> str:
        return "".join(chance.choices(letters, k=chance.randint(least, most)))

    return text


def number(least: int, most: int) -> Callable[[random.Random], str]:
    return lambda chance: str(chance.randint(least, most))
