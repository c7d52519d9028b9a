"""Bots told from people by their sessions, on sessions made for it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from models.errors import InvalidSource
from models.packs.access.data import combined_line
from models.packs.access.events import AccessEvent
from scripts.evaluation.app import bots
from scripts.evaluation.bots import ALL_REQUESTS, LEFT_OUT, PAGES_ALONE, session_rows
from scripts.output import Output
from tests.unit.models.packs.access.judging import request


def session(name: str, seed: int, gap_s: tuple[float, float]) -> list[AccessEvent]:
    chance, at = random.Random(seed), 0.0
    events = []
    for i in range(20):
        at += chance.uniform(*gap_s)
        events.append(request(f"/p/{i}", after_s=at, client=name))
        events.append(request(f"/p/{i}.png", after_s=at, client=name))
    return events


@pytest.fixture
def sessions(tmp_path: Path) -> tuple[Path, Path]:
    """Ten people who read, ten bots that hurry, and one session without a label."""
    people = {f"person{n}": (5.0, 90.0) for n in range(10)}
    hurried = {f"bot{n}": (1.0, 2.0) for n in range(10)}
    events = [
        event
        for seed, (name, gap_s) in enumerate({**people, **hurried, "nobody": (1.0, 2.0)}.items())
        for event in session(name, seed, gap_s)
    ]
    (tmp_path / "site.log").write_text("".join(f"{combined_line(event)}\n" for event in events))
    kinds = [f"{name} human" for name in people] + [f"{name} moderate_bot" for name in hurried]
    (tmp_path / "kinds.txt").write_text("\n".join([*kinds, "elsewhere human", ""]))
    return tmp_path / "site.log", tmp_path / "kinds.txt"


def test_hurried_sessions_are_told_from_those_of_readers(
    sessions: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    log, kinds = sessions
    bots(log=[str(log)], labels=[kinds], seeds=2, output=Output.JSON)

    report = json.loads(capsys.readouterr().out)
    assert (report["sessions"], report["bots"], report["unlabelled"]) == (20, 10, 1)
    assert report["auc"] == [1.0, 0.0]
    assert report["f1"] == [1.0, 0.0]


def test_neither_user_agent_nor_date_is_a_feature() -> None:
    one = [request(f"/{i}", after_s=i, agent="a", client="s") for i in range(5)]
    other = [request(f"/{i}", after_s=i + 86_400 * 30, agent="b", client="s") for i in range(5)]

    np.testing.assert_array_equal(session_rows(one, ["s"]), session_rows(other, ["s"]))


def test_a_session_without_pages_has_features_all_the_same() -> None:
    rows = session_rows([request("/a.png", client="s"), request("/", client="t")], ["s", "t"])

    pages = len(PAGES_ALONE.features)
    assert rows.shape == (2, len(ALL_REQUESTS.features) + pages)
    assert (rows[0, -pages:] == LEFT_OUT).all()
    assert (rows[1, -pages:] != LEFT_OUT).any()


def test_fewer_sessions_of_a_kind_than_folds_are_refused(sessions: tuple[Path, Path]) -> None:
    log, kinds = sessions
    kinds.write_text("person1 human\nperson2 human\nbot1 bot\n")

    with pytest.raises(InvalidSource, match="got 1 bots and 2 humans"):
        bots(log=[str(log)], labels=[kinds], folds=2)


def test_a_label_that_is_not_two_words_is_refused(sessions: tuple[Path, Path]) -> None:
    log, kinds = sessions
    kinds.write_text("person1 human\nperson2\n")

    with pytest.raises(InvalidSource, match=r"kinds\.txt: line 2 must be a session and a kind"):
        bots(log=[str(log)], labels=[kinds])
