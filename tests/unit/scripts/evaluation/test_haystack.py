"""Attacks laid over a background: when, from whom, and what stays as it was."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from feature_store.columns import TextColumn
from feature_store.text import parse_times
from scripts.evaluation.haystack import Haystack, lay
from scripts.evaluation.logs import Traffic, attack_of, background_of
from scripts.evaluation.protocol import Variant
from tests.unit.scripts.evaluation.simulated import logs


@pytest.fixture
def traffics(tmp_path: Path) -> tuple[Traffic, Traffic]:
    background, scan = logs(tmp_path)
    return background_of(str(background)), attack_of(str(scan), 60)


def attacked_at(haystack: Haystack) -> list[int]:
    """Microseconds of the attackers' events, in the order in which they come."""
    times = [e.occurred_at for e in haystack.events if e.client_ip in haystack.attackers]
    return [int(at) for at in parse_times(TextColumn.of(times))]


def test_requests_go_round_fresh_clients(traffics: tuple[Traffic, Traffic]) -> None:
    background, attack = traffics
    haystack = lay(background, [attack, attack], Variant(1, 7), 1)

    sent = Counter(e.client_ip for e in haystack.events if e.client_ip in haystack.attackers)

    assert sorted(sent.values()) == [8] * 6 + [9] * 8
    assert haystack.attackers.keys().isdisjoint(e.client_ip for e in background.events)
    assert set(haystack.attackers.values()) == {"scan.log"}


@pytest.mark.parametrize("stretch", [1, 20])
def test_an_attack_starts_inside_and_lasts_as_long_as_stretched(
    traffics: tuple[Traffic, Traffic], stretch: int
) -> None:
    background, attack = traffics
    at = attacked_at(lay(background, [attack], Variant(stretch, 3), 1))

    assert background.at.min() <= at[0] <= background.at.max()
    assert np.diff(at).tolist() == (np.diff(attack.at) * stretch).tolist()


def test_a_seed_is_a_start_of_its_own(traffics: tuple[Traffic, Traffic]) -> None:
    background, attack = traffics
    starts = {attacked_at(lay(background, [attack], Variant(1, 1), s))[0] for s in (1, 1, 2, "7/0")}

    assert len(starts) == 3


def test_the_background_stays_as_its_log_had_it(traffics: tuple[Traffic, Traffic]) -> None:
    background, attack = traffics
    turned = Traffic("x", background.events[::-1], background.at[::-1], background.lines[::-1])

    haystack = lay(turned, [attack], Variant(1, 1), 1)

    kept = [event for event in haystack.events if event.client_ip not in haystack.attackers]
    assert kept == list(turned.events)


def test_ids_stay_unique(traffics: tuple[Traffic, Traffic]) -> None:
    haystack = lay(traffics[0], [traffics[1]], Variant(200, 50), 1)

    assert len({event.event_id for event in haystack.events}) == len(haystack.events)
