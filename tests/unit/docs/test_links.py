"""What the documentation points to is there: files, headings, pictures, workflows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.pictures.api_page import ANSWER, REQUEST
from scripts.pictures.scenes import ALONE, scenes
from scripts.stack.settings import ROOT, LocalStack
from tests.unit.docs.markdown import anchors, links, name_of, pages

WORKFLOW = re.compile(r"\.\./\.\./actions/workflows/([\w.-]+?)(?:/badge\.svg)?")
"""As seen from a page of the repository on GitHub; there is no such folder here."""
ELSEWHERE = re.compile(r"[a-z]+:")
IMAGES = ROOT / "docs" / "images"


def broken(page: Path, link: str) -> bool:
    if found := WORKFLOW.fullmatch(link):
        return not (ROOT / ".github" / "workflows" / found[1]).exists()
    path, _, anchor = link.partition("#")
    to = (page.parent / path).resolve() if path else page
    if not to.exists():
        return True
    return bool(anchor) and to.suffix == ".md" and anchor not in anchors(to)


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    ours = [link for link in links(page) if not ELSEWHERE.match(link)]

    assert [link for link in ours if broken(page, link)] == []


@pytest.mark.parametrize(
    "link", ["docs/nowhere.md", "README.md#no-such-heading", "../../actions/workflows/none.yml"]
)
def test_a_broken_link_is_noticed(link: str) -> None:
    assert broken(ROOT / "README.md", link)


def test_every_page_of_the_documentation_can_be_reached_from_its_index() -> None:
    reached, waiting = set(), {ROOT / "docs" / "README.md"}
    while waiting:
        page = waiting.pop()
        reached.add(page)
        led = {(page.parent / link.partition("#")[0]).resolve() for link in links(page)}
        folders = {file for folder in led if folder.is_dir() for file in folder.glob("*.md")}
        waiting |= {to for to in led | folders if to.suffix == ".md" and to.exists()} - reached

    assert sorted(map(name_of, set(pages()) - reached)) == []


def test_the_readme_links_to_the_record_of_every_decision() -> None:
    records = {name_of(record) for record in (ROOT / "docs" / "adr").glob("*.md")}

    assert records - set(links(ROOT / "README.md")) == set()


def test_every_picture_is_one_that_the_command_takes() -> None:
    taken = {REQUEST, ANSWER} | {f"{name}.svg" for name in (*ALONE, *scenes(LocalStack()))}

    # Those of the benchmarks are drawn by `python -m scripts.bench.report`.
    there = {file.name for file in IMAGES.iterdir() if not file.name.startswith("bench-")}
    assert there == taken


def test_every_picture_is_shown_somewhere() -> None:
    shown = {Path(link).name for page in pages() for link in links(page)}

    assert {file.name for file in IMAGES.iterdir()} - shown == set()


@pytest.mark.parametrize("picture", sorted(IMAGES.glob("*.svg")), ids=lambda file: file.name)
def test_a_picture_tells_nothing_of_the_machine_that_took_it(picture: Path) -> None:
    drawn = picture.read_text().replace("&#160;", " ")

    assert re.findall(r"/(?:work|tmp|home|root|Users)/[\w./-]+", drawn) == []
