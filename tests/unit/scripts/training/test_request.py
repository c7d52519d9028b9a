"""Options that go together, and those that do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.errors import InvalidSource
from scripts.training.request import Request

OUT = Path("folder")


def test_without_options_it_is_the_shipped_model() -> None:
    assert Request().is_shipped


@pytest.mark.parametrize(
    "options",
    [{"seed": 7}, {"events": 10}, {"sources": ("a.log",)}, {"labels": Path("known.csv")}],
    ids=lambda options: next(iter(options)),
)
def test_any_other_model_needs_a_folder(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidSource, match="--out: must be given"):
        Request(**options)

    assert not Request(**options, out=OUT).is_shipped


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"sources": ("topic", "a.log")}, "--from: topic must stand alone"),
        ({"sources": ("a.log", "simulator")}, "--from: simulator must stand alone"),
        ({"sources": ("a.log", "a.log")}, "--from: a.log must be given once"),
        ({"sources": ("a.log",), "events": 9}, "--events: goes with --from simulator alone"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any], rule: str) -> None:
    with pytest.raises(InvalidSource, match=rule):
        Request(**options, out=OUT)
