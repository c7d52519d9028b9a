"""The figures that no change may make worse, on the published logs; docs/evaluation-access.md."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

import scripts.evaluation
from scripts.evaluation.access import judge_of, named_in
from scripts.evaluation.bots import judged, labels_of
from scripts.evaluation.logs import Traffic, attack_of, background_of
from scripts.evaluation.protocol import Protocol, Track, Variant
from scripts.evaluation.report import Report

SHARED = Path(__file__).resolve().parents[5] / "shared" / "data"
DATA = Path(os.environ.get("CENTINELA_DATA", SHARED)) / "access"
HOSTILE = Path(scripts.evaluation.__path__[0]) / "hostile-access.txt"
BACKGROUNDS = (
    "apache_logs_semicomplete_2015-05.log.gz",
    "almhuette_2019-04-02.access.log.gz",
    "secrepo_2021-10-22.access.log.gz",
)
SCANNERS = ("acunetix.txt.gz", "netsparker.txt.gz")
SLOWER = (1, 20, 200)

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is not there: published logs")


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> list[Traffic]:
    """Two scanners' own logs, and the Nikto scan that a honeynet's log holds."""
    nikto = tmp_path_factory.mktemp("scans") / "nikto.log"
    with gzip.open(DATA / "honeynet_2004" / "access_log.25.gz") as honeynet:
        nikto.write_bytes(b"".join(line for line in honeynet if b"Nikto" in line))
    logs = [DATA / "apache_http_attacks" / name for name in SCANNERS]
    return [attack_of(str(log), Protocol().lines) for log in (*logs, nikto)]


def reports(log: str, scans: list[Traffic], track: Track, *variants: Variant) -> list[Report]:
    background = background_of(str(DATA / log))
    protocol = Protocol(starts=1, hostile=named_in(HOSTILE, [background]), compares=False)
    return list(judge_of(protocol).reports([background], scans, [track], variants))


def share(part: int, report: Report) -> float:
    return part / report.clients


@pytest.mark.parametrize("log", BACKGROUNDS)
def test_every_scanner_is_found_however_slow_and_from_fifty_addresses(
    log: str, scans: list[Traffic]
) -> None:
    variants = [Variant(slower, addresses) for slower in SLOWER for addresses in (1, 50)]
    for report in reports(log, scans, Track.FULL, *variants):
        assert report.attackers_found == report.attackers_blocked == report.attackers
        assert report.requests_to_block.median is not None
        assert report.requests_to_block.p90 is not None
        assert report.requests_to_block.median <= (3 if report.setting.addresses == 50 else 7)
        assert report.requests_to_block.p90 <= 8
        assert share(report.clients_blocked, report) <= 0.003
        assert share(report.clients_flagged, report) <= 0.02


@pytest.mark.parametrize("log", BACKGROUNDS)
def test_the_logs_own_attackers_are_found_but_for_one_or_two(
    log: str, scans: list[Traffic]
) -> None:
    [report] = reports(log, scans, Track.FULL, Variant(1, 1))

    assert report.hostile >= 4
    assert report.hostile_found >= report.hostile - 1


@pytest.mark.parametrize("track", [Track.BEHAVIOUR, Track.REROOTED])
@pytest.mark.parametrize("log", BACKGROUNDS)
def test_scanners_are_found_without_their_words_and_on_the_sites_own_paths(
    log: str, track: Track, scans: list[Traffic]
) -> None:
    for report in reports(log, scans, track, Variant(20, 1), Variant(20, 50)):
        assert report.attackers_found == report.attackers_blocked == report.attackers
        assert report.requests_to_block.p90 is not None
        assert report.requests_to_block.p90 <= (10 if report.setting.addresses == 50 else 25)
        # Without its name, one crawler that follows dead links is as good as a scanner.
        assert report.clients_blocked <= 1


def test_bots_are_told_from_people() -> None:
    folder = DATA / "m4d_web_bots"
    logs = [background_of(str(log)) for log in sorted(folder.glob("*.log.gz"))]
    labels = labels_of(sorted(folder.glob("annotations_*.txt")))

    bots = judged(logs, labels, folds=5, seeds=2)

    assert (bots.sessions, bots.bots) == (50, 15)
    assert bots.auc[0] >= 0.985
    assert bots.f1[0] >= 0.92
