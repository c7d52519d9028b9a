"""The Markdown files of this checkout: their links, anchors, headings and code blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from scripts.stack.settings import ROOT

PATTERNS = ("*.md", "docs/**/*.md")
PARSER = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: the language after its fence, and what is in it."""

    language: str
    text: str


def pages() -> list[Path]:
    return sorted({file for pattern in PATTERNS for file in ROOT.glob(pattern)})


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def tokens(page: Path) -> list[Token]:
    return PARSER.parse(page.read_text())


def links(page: Path) -> list[str]:
    """Where links and pictures of a page lead to, as they are written."""
    inline = [child for token in tokens(page) for child in token.children or ()]
    led = [token.attrGet("href") or token.attrGet("src") for token in inline]
    return [str(to) for to in led if to]


def headings(page: Path) -> list[tuple[str, str]]:
    """Level and text, such as ("h2", "Start")."""
    all_of_it = tokens(page)
    return [
        (token.tag, _plain(all_of_it[at + 1]))
        for at, token in enumerate(all_of_it)
        if token.type == "heading_open"
    ]


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    seen: dict[str, int] = {}
    made = set()
    for _, text in headings(page):
        anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        times = seen[anchor] = seen.get(anchor, -1) + 1
        made.add(f"{anchor}-{times}" if times else anchor)
    return made


def blocks(page: Path) -> list[Block]:
    return [Block(token.info, token.content) for token in tokens(page) if token.type == "fence"]


def tables(page: Path) -> list[tuple[int, int]]:
    """Rows and cells of each table."""
    sizes: list[tuple[int, int]] = []
    for token in tokens(page):
        if token.type == "table_open":
            sizes.append((0, 0))
        elif token.type == "tr_open":
            sizes[-1] = (sizes[-1][0] + 1, sizes[-1][1])
        elif token.type in ("td_open", "th_open"):
            sizes[-1] = (sizes[-1][0], sizes[-1][1] + 1)
    return sizes


def _plain(heading: Token) -> str:
    return "".join(child.content for child in heading.children or ())
