"""Plain detectors: what they catch at the threshold that few ordinary clients reach."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.packs.access import PACK
from scripts.evaluation.baselines import FLAGGED_SHARE, Baselines, Catch, pooled
from scripts.evaluation.figures import Spread
from scripts.evaluation.haystack import Haystack, lay
from scripts.evaluation.logs import attack_of, background_of
from scripts.evaluation.protocol import Variant
from tests.unit.scripts.evaluation.simulated import logs


@pytest.fixture
def judged(tmp_path: Path) -> tuple[Haystack, dict[str, Catch]]:
    background, scan = (str(log) for log in logs(tmp_path))
    visitors = background_of(background)
    haystack = lay(visitors, [attack_of(scan, 200)], Variant(1, 1), 1)
    return haystack, Baselines(PACK, visitors, 7).judge(haystack, frozenset())


def test_no_more_ordinary_clients_are_flagged_than_allowed(
    judged: tuple[Haystack, dict[str, Catch]],
) -> None:
    haystack, catches = judged
    clients = len({event.client_ip for event in haystack.events})

    assert set(catches) == {"isolation_forest", "half_space_trees"}
    assert all(catch.clients_flagged <= FLAGGED_SHARE * clients for catch in catches.values())


def test_a_loud_scan_is_found_by_the_forest(judged: tuple[Haystack, dict[str, Catch]]) -> None:
    [first] = judged[1]["isolation_forest"].reached

    assert first is not None
    assert first > 1


def test_catches_of_several_haystacks_are_pooled() -> None:
    found = pooled([{"x": Catch([3, None], 2)}, {"x": Catch([1, 5], 4)}])["x"]

    assert (found.attackers, found.attackers_found, found.clients_flagged) == (4, 3, 4)
    assert found.requests_to_alert == Spread(3, None, None)
