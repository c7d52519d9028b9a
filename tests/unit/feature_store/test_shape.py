"""The shape of a request: examples, and a plain oracle for any text."""

from __future__ import annotations

import math
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.columns import TextColumn
from feature_store.shape import ENTROPY_STEPS, PLAIN, shapes

TEXTS = st.text(st.sampled_from("/?%%%27aAfF<'ñ \0=&"), max_size=40) | st.text(max_size=40)
Row = tuple[int, int, int, int, float]


def shape(text: str) -> Row:
    depth, query, encoded, odd, entropy = (column[0] for column in shapes(TextColumn.of([text])))
    return int(depth), int(query), int(encoded), int(odd), float(entropy)


def oracle(text: str) -> Row:
    stored = text.encode()
    path, _, query = stored.partition(b"?")
    counts = Counter(stored).values()
    entropy = -sum(n / len(stored) * math.log2(n / len(stored)) for n in counts)
    return (
        len([part for part in path.split(b"/") if part]),
        len(query),
        len(re.findall(rb"%(?=[0-9A-Fa-f]{2})", stored)),
        sum(not PLAIN[byte] for byte in stored),
        entropy,
    )


@pytest.mark.parametrize(
    ("request_", "depth", "query", "encoded", "odd"),
    [
        ("", 0, 0, 0, 0),
        ("/", 0, 0, 0, 0),
        ("/a/b/c.html", 3, 0, 0, 0),
        ("//a//b/", 2, 0, 0, 0),
        ("*", 1, 0, 0, 1),
        ("/a?b=/c/d", 1, 6, 0, 0),
        ("/a?b?c", 1, 3, 0, 0),
        ("/%2e%2E/x", 2, 0, 2, 0),
        ("/100%/%4", 2, 0, 0, 0),
        ('/?q=\'or"1"<b>', 0, 11, 0, 5),
        ("/é", 1, 0, 0, 2),
    ],
)
def test_a_request_is_counted(
    request_: str, depth: int, query: int, encoded: int, odd: int
) -> None:
    assert shape(request_)[:4] == (depth, query, encoded, odd)


@pytest.mark.parametrize(
    ("text", "bits"), [("", 0), ("aaaa", 0), ("abab", 1), ("abcd", 2), ("aaab", 0.811)]
)
def test_entropy_is_in_bits_a_byte(text: str, bits: float) -> None:
    assert shape(text)[4] == pytest.approx(bits, abs=1e-3)


@settings(deadline=None)  # the first call compiles
@given(st.lists(TEXTS, max_size=4))
def test_shapes_are_those_of_the_oracle_whatever_stands_beside(texts: list[str]) -> None:
    rows = list(zip(*shapes(TextColumn.of(texts)), strict=True))

    for text, row in zip(texts, rows, strict=True):
        *counted, entropy = oracle(text)
        assert list(row[:4]) == counted
        assert row[4] == pytest.approx(entropy, abs=0.51 / ENTROPY_STEPS)
