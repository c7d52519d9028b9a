"""Logs as traffic: which lines, in which order, under which hash."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.errors import InvalidSource
from scripts.evaluation.logs import attack_of, background_of, digest_of
from tests.unit.scripts.evaluation.simulated import day, logs

LINE = '192.0.2.{n} - - [03/Mar/2025:12:00:0{s} +0000] "GET /{n} HTTP/1.1" 200 1 "-" "x"\n'


def written(folder: Path, seconds: str, name: str = "a.log") -> str:
    text = "".join(LINE.format(n=n, s=s) for n, s in enumerate(seconds))
    (folder / name).write_text("not a line\n" + text)
    return str(folder / name)


def test_a_background_keeps_its_order_and_knows_its_lines(tmp_path: Path) -> None:
    background = background_of(written(tmp_path, "312"))

    assert [event.path for event in background.events] == ["/0", "/1", "/2"]
    assert list(background.lines) == [2, 3, 4]


def test_an_attack_is_the_first_lines_sorted_by_time(tmp_path: Path) -> None:
    attack = attack_of(written(tmp_path, "94120"), lines=3, after=1)

    assert [event.path for event in attack.events] == ["/2", "/3", "/1"]
    assert (np.diff(attack.at) > 0).all()


def test_the_quotes_around_a_line_are_no_part_of_it(tmp_path: Path) -> None:
    _, scan = logs(tmp_path)

    attack = attack_of(str(scan), lines=5_000)

    assert {event.client_ip for event in attack.events} == {day()[1][0].client_ip}
    assert len(attack) == len(day()[1])


def test_a_log_without_a_readable_line_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "empty.log"
    log.write_text("nothing\n")

    with pytest.raises(InvalidSource, match=r"empty\.log: holds no readable line"):
        background_of(str(log))


def test_other_events_have_another_digest(tmp_path: Path) -> None:
    one, other = background_of(written(tmp_path, "12")), background_of(written(tmp_path, "13"))

    assert digest_of([one]) == digest_of([one])
    assert len({digest_of([one]), digest_of([other]), digest_of([one, other])}) == 3
