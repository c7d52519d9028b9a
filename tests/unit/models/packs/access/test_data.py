"""The simulated day: what it must hold, however short it is."""

from __future__ import annotations

from collections import Counter

import pytest

from models.packs.access.data import combined_line, simulate
from models.packs.access.site import Request
from tests.unit.models.packs.access.judging import request


@pytest.mark.parametrize("events", [1, 100, 5_000, 100_001])
def test_there_are_as_many_events_as_asked_for(events: int) -> None:
    assert sum(1 for _ in simulate(1, events)) == events


def test_another_seed_is_another_day() -> None:
    assert list(simulate(1, 500)) != list(simulate(2, 500))


@pytest.mark.parametrize("seed", range(5))
def test_a_short_day_holds_a_scan_stolen_passwords_and_a_scraper(seed: int) -> None:
    attacks = [event for event, label in simulate(seed, 5_000) if label]

    most_missing = Counter(e.client_ip for e in attacks if e.status == 404).most_common(1)
    most_refused = Counter(e.client_ip for e in attacks if e.status == 401).most_common(1)
    most_found = Counter(e.client_ip for e in attacks if e.status == 200).most_common(1)
    assert most_missing[0][1] >= 50
    assert most_refused[0][1] >= 50
    assert most_found[0][1] >= 100


@pytest.mark.parametrize("events", [5_000, 120_000])
def test_attackers_are_a_small_part_of_the_requests(events: int) -> None:
    share = sum(label for _, label in simulate(3, events)) / events

    assert 0.03 < share < 0.12


def test_addresses_are_reserved_ones_and_no_client_is_on_both_sides() -> None:
    pairs = [(event.client_ip, label) for event, label in simulate(4, 20_000)]
    attackers = {client for client, label in pairs if label}
    ordinary = {client for client, label in pairs if not label}

    prefixes = ("10.", "192.0.2.", "198.51.100.", "172.")
    assert all(client.startswith(prefixes) for client in attackers | ordinary)
    assert not attackers & ordinary


def test_an_event_is_written_as_a_combined_log_line() -> None:
    event = request('/a"b', status=404, size=0, agent="")

    assert combined_line(event) == (
        r'192.0.2.7 - - [03/Mar/2025:12:00:00 +0000] "GET /a\"b HTTP/1.1" 404 - "-" "-"'
    )


def test_requests_sort_by_time_first() -> None:
    assert Request._fields[0] == "at"
