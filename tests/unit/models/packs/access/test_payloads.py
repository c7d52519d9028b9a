"""The grammars of values: seeded, varied, and closed."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from models.packs.access.grammar import Grammar
from models.packs.access.payloads import ATTACKS, KINDS, LONGEST, values


def test_a_seed_is_a_list_of_values() -> None:
    assert list(values(3, 500)) == list(values(3, 500))
    assert list(values(3, 500)) != list(values(4, 500))


def test_fewer_values_of_a_seed_are_the_first_of_more() -> None:
    assert list(values(3, 100)) == list(values(3, 500))[:100]


def test_all_kinds_come_in_their_shares() -> None:
    kinds = Counter(kind for _, kind in values(1, 20_000))

    assert set(kinds) == {"", *KINDS}
    assert 1 - kinds[""] / 20_000 == pytest.approx(ATTACKS, abs=0.02)
    for kind, (share, _) in KINDS.items():
        assert kinds[kind] / 20_000 == pytest.approx(share * ATTACKS, rel=0.25)


def test_no_template_is_left_unfilled() -> None:
    texts = [value for value, _ in values(2, 20_000)]

    assert not [text for text in texts if "«" in text or "»" in text]
    assert max(map(len, texts)) <= LONGEST


def test_values_are_varied() -> None:
    attacks = [value for value, kind in values(5, 20_000) if kind]

    assert len(set(attacks)) > 0.9 * len(attacks)


def test_a_template_is_filled_anew_at_each_mention() -> None:
    grammar = Grammar({"pair": ("«digit»-«digit»",), "digit": tuple("0123456789")})
    chance = random.Random(1)

    drawn = {grammar.draw(chance, "pair") for _ in range(200)}

    assert any(pair[0] != pair[2] for pair in drawn)


def test_a_part_that_nobody_wrote_is_named() -> None:
    with pytest.raises(KeyError, match="shoe"):
        Grammar({"pair": ("«shoe»",)}).draw(random.Random(1), "pair")
