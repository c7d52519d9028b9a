"""A simulated day that ends now, and the clients that come after it."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from models.catalog import pack_named
from models.packs.access.events import AccessEvent
from producer.instants import micros
from scripts.traffic import DAY_EVENTS, LONGEST_VISIT_US, Live, day_until, gap_us, visits

PACK = pack_named("access")
NOW_US = 1_780_000_000_000_000
SECOND_US = 1_000_000


def test_a_day_ends_now_in_order_and_is_the_same_every_time() -> None:
    day, again = (day_until(PACK, 7, 2_000, NOW_US) for _ in range(2))
    times = [micros(event.occurred_at) for event in day.events]

    assert day == again
    assert len(day.events) == 2_000
    assert times == sorted(times)
    assert times[-1] == NOW_US


def test_attackers_are_told_from_the_other_clients() -> None:
    day = day_until(PACK, 7, 2_000, NOW_US)

    assert day.attackers
    assert day.others
    assert not day.attackers & day.others
    assert day.attackers | day.others == {event.client_ip for event in day.events}


def test_a_visit_is_what_one_client_does_within_an_hour() -> None:
    for visit in islice(visits(PACK, 3), 200):
        assert len({event.client_ip for event in visit}) == 1
        assert 0 <= gap_us(visit[0], visit[-1]) <= LONGEST_VISIT_US


def test_visits_leave_out_nothing_else() -> None:
    """A page's parts may be asked for in the very millisecond of the page."""
    firsts: dict[str, AccessEvent] = {}
    expected = {
        event.event_id
        for event, _ in PACK.simulate(3, DAY_EVENTS)
        if gap_us(firsts.setdefault(event.client_ip, event), event) <= LONGEST_VISIT_US
    }

    told = [event.event_id for visit in islice(visits(PACK, 3), len(firsts)) for event in visit]

    assert len(told) == len(set(told))
    assert set(told) == expected


@pytest.mark.parametrize("tick_us", [250_000, 7_000_000])
def test_live_traffic_comes_at_its_rate_at_its_time_and_once(tick_us: int) -> None:
    live, now = Live(PACK, 8, 20.0, NOW_US), NOW_US
    ids = Counter[str]()
    while now < NOW_US + 1_200 * SECOND_US:
        before, now = now, now + tick_us
        for event in live.until(now):
            assert before < micros(event.occurred_at) <= now
            ids[event.event_id] += 1

    assert ids.total() / 1_200 == pytest.approx(20.0, rel=0.2)
    assert set(ids.values()) == {1}


def test_a_client_of_live_traffic_keeps_its_pace() -> None:
    live = Live(PACK, 8, 50.0, NOW_US)
    told = [event for n in range(1, 400) for event in live.until(NOW_US + n * SECOND_US)]
    visit = next(visit for visit in visits(PACK, 8) if len(visit) > 5)
    seen = [event for event in told if event.client_ip == visit[0].client_ip]

    gaps = [gap_us(seen[0], event) for event in seen]
    assert len(gaps) > 1
    assert gaps == [gap_us(visit[0], event) for event in visit][: len(gaps)]


def test_none_is_wanted_none_comes() -> None:
    assert Live(PACK, 8, 0.0, NOW_US).until(NOW_US + 10 * SECOND_US) == []
