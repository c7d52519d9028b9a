"""The Spanish README says what the English one does: same sections, commands, tables, links."""

from __future__ import annotations

from scripts.stack.settings import ROOT
from tests.unit.docs.markdown import blocks, headings, links, tables

ENGLISH, SPANISH = ROOT / "README.md", ROOT / "README.es.md"


def test_both_have_the_same_code_blocks() -> None:
    assert blocks(SPANISH) == blocks(ENGLISH)


def test_both_have_the_same_sections() -> None:
    assert [level for level, _ in headings(SPANISH)] == [level for level, _ in headings(ENGLISH)]


def test_both_have_the_same_tables() -> None:
    assert tables(SPANISH) == tables(ENGLISH)


def test_both_link_to_the_same_places() -> None:
    assert sorted(links(SPANISH)) == sorted(links(ENGLISH))


def test_the_spanish_one_is_translated() -> None:
    """But for its name, no heading of the English one is left."""
    assert {text for _, text in headings(SPANISH)} & {text for _, text in headings(ENGLISH)} == {
        "Centinela"
    }
