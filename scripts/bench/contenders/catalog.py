"""All contenders, in the order in which each round runs them."""

from __future__ import annotations

from scripts.bench.contenders.contender import Contender


def contenders() -> tuple[Contender, ...]:
    return ()
