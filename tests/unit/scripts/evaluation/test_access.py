"""`centinela evaluate access` on small simulated logs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.errors import InvalidSource
from scripts.evaluation.access import named_in
from scripts.evaluation.app import access
from scripts.evaluation.logs import background_of
from scripts.evaluation.protocol import Track
from scripts.output import Output
from tests.unit.scripts.evaluation.simulated import day, logs

Reports = list[dict[str, Any]]


class Evaluate:
    """The command on the simulated logs, its JSON read."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.background, self.scan = logs(folder)
        self._capsys = capsys

    def __call__(self, **options: Any) -> Reports:  # the command's own, by name
        given = {"background": [str(self.background)], "attack": [str(self.scan)]}
        few = {"stretch": [1], "addresses": [1], "starts": 2, "output": Output.JSON}
        access(**{**given, **few, **options})
        return [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]


@pytest.fixture
def evaluate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Evaluate:
    return Evaluate(tmp_path, capsys)


def without_times(report: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in report.items() if k not in ("events_per_second", "cpu_s_per_million")}


def test_a_scan_among_simulated_visitors_is_blocked_and_they_are_not(evaluate: Evaluate) -> None:
    [report] = evaluate()

    assert (report["attackers"], report["attackers_found"], report["attackers_blocked"]) == (
        2,
        2,
        2,
    )
    assert report["clients"] == len({event.client_ip for event in day()[0]})
    assert report["clients_blocked"] == 0
    assert 1 <= report["requests_to_block"]["median"] <= 20
    assert report["seconds_to_block"]["max"] >= 0
    assert report["events_per_second"] > 0
    assert report["share_found"] == [1.0, 0.0]
    assert report["by_attack"]["scan.log"]["blocked"] == 2


def test_there_is_a_report_for_each_variant_and_track(evaluate: Evaluate) -> None:
    tracks = [Track.FULL, Track.BEHAVIOUR, Track.REROOTED]
    reports = evaluate(stretch=[1, 20], addresses=[1, 5], starts=1, track=tracks)

    settings = [report["setting"] for report in reports]
    variants = {(s["track"], s["stretch"], s["addresses"]) for s in settings}
    assert len(reports) == len(variants) == 12
    assert {report["attackers"] for report in reports} == {1, 5}


def test_a_seed_gives_the_same_figures_again(evaluate: Evaluate) -> None:
    [one], [again] = evaluate(addresses=[7]), evaluate(addresses=[7])

    assert without_times(one) == without_times(again)


def test_baselines_run_beside_unless_told_not_to(evaluate: Evaluate) -> None:
    [with_them], [without] = evaluate(starts=1), evaluate(starts=1, baselines=False)

    assert set(with_them["baselines"]) == {"isolation_forest", "half_space_trees"}
    assert without["baselines"] == {}


def test_clients_named_hostile_are_no_ordinary_clients(evaluate: Evaluate, tmp_path: Path) -> None:
    with evaluate.background.open("a") as log:
        log.write('203.0.113.9 - - [03/Mar/2025:23:59:59 +0000] "GET /.env HTTP/1.1" 404 9\n')
    [before] = evaluate(starts=1)
    last = len(evaluate.background.read_text().splitlines())
    (tmp_path / "hostile.txt").write_text(f"# probes\nvisitors.log:{last}\n")

    [after] = evaluate(starts=1, hostile=tmp_path / "hostile.txt")

    assert (before["clients_blocked"], before["hostile"]) == (1, 0)
    assert (after["clients_blocked"], after["hostile"], after["hostile_found"]) == (0, 1, 1)
    assert after["clients"] == before["clients"] - 1


def test_who_lists_the_clients_that_met_an_action(evaluate: Evaluate) -> None:
    [noted] = evaluate(background=[str(evaluate.scan)], who=True)

    assert noted["client"] == day()[1][0].client_ip
    assert noted["worst"] == "block"
    assert noted["requests"] == len(day()[1])
    assert noted["actions"]["block"] > 0
    assert noted["reasons"]
    assert noted["samples"]


def test_without_an_attack_there_is_nothing_to_find(evaluate: Evaluate) -> None:
    with pytest.raises(InvalidSource, match="--attack: needs the log of at least one scanner"):
        evaluate(attack=None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("visitors.log:999999", "visitors.log: has no readable line 999999"),
        ("visitors.log:x", "visitors.log: has no readable line x"),
    ],
)
def test_a_line_that_names_nobody_is_refused(
    evaluate: Evaluate, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "hostile.txt").write_text(text)

    with pytest.raises(InvalidSource, match=message):
        named_in(tmp_path / "hostile.txt", [background_of(str(evaluate.background))])


def test_a_client_may_be_named_by_itself(tmp_path: Path) -> None:
    (tmp_path / "hostile.txt").write_text("# why\n\n2001:db8::7\n192.0.2.1\nother.log:5\n")

    assert named_in(tmp_path / "hostile.txt", []) >= {"2001:db8::7", "192.0.2.1"}


def test_a_table_says_the_same_for_people(
    evaluate: Evaluate, capsys: pytest.CaptureFixture[str]
) -> None:
    background, attack = [str(evaluate.background)], [str(evaluate.scan)]
    access(background=background, attack=attack, stretch=[20], addresses=[1], starts=1)

    table = capsys.readouterr().out
    assert "x20" in table
    assert "1 of 1" in table
