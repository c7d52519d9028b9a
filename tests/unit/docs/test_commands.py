"""Commands in the documentation exist; those of `centinela` itself are typed in test_help.py."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from typing import Any

import pytest

from scripts.stack.settings import ROOT
from tests.unit.docs.markdown import blocks, name_of, pages

TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
MAKE = re.compile(r"(?:^|`|=\S+ |[;&] *)make ([a-z]+)(?=[`\n ])(?! the| a )", re.MULTILINE)
SCRIPT = re.compile(r"(?:^|[|;&(`])\s*(?:[A-Z_]+=\S+ )*(scripts/[\w/-]+(?:\.sh)?)", re.MULTILINE)
MODULE = re.compile(r"python -m ((?:scripts|models|stream_agents|api|producer)[\w.]*)")
SETTING = re.compile(r"\b(CENTINELA_[A-Z_]*[A-Z])\b")
SETTINGS = ROOT / "docs" / "reference" / "settings.md"
OF_TESTS = ("CENTINELA_KILLS",)
TESTS = re.compile(r"\b(tests/[\w/]+(?:\.py)?)")


def found(pattern: re.Pattern[str], in_text: bool = False) -> list[Any]:
    """Each thing once, with the first page that names it; in code blocks, or in all of a page."""
    first: dict[str, str] = {}
    for page in pages():
        texts = [page.read_text()] if in_text else [block.text for block in blocks(page)]
        for name in (name for text in texts for name in pattern.findall(text)):
            first.setdefault(name, name_of(page))
    return [pytest.param(name, id=f"{name} in {page}") for name, page in sorted(first.items())]


@pytest.mark.parametrize("name", found(SETTING, in_text=True))
def test_the_setting_is_in_the_reference(name: str) -> None:
    assert f"`{name}`" in SETTINGS.read_text() or name in OF_TESTS


@pytest.mark.parametrize("target", found(MAKE))
def test_make_knows_the_target(target: str) -> None:
    assert target in TARGETS


@pytest.mark.parametrize("script", found(SCRIPT))
def test_the_script_can_be_run(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)


@pytest.mark.parametrize("module", found(MODULE, in_text=True))
def test_the_module_is_there(module: str) -> None:
    assert find_spec(module)


@pytest.mark.parametrize("path", found(TESTS, in_text=True))
def test_the_tests_are_there(path: str) -> None:
    assert (ROOT / path).exists() or path.endswith("/packs")
