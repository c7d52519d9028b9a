"""A seeded stream of access events: days of a shop's traffic, with attackers among the visitors."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from models.packs.access.attackers import attacks
from models.packs.access.events import AccessEvent
from models.packs.access.site import Request
from models.packs.access.visitors import DAY, regulars, visit

FIRST_DAY = datetime(2025, 3, 3, tzinfo=UTC)
BUSIEST_DAY = 100_000
"""Events a day; a longer stream has more days."""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def simulate(seed: int, events: int) -> Iterator[tuple[AccessEvent, int]]:
    """Events in event-time order, each with its label: 1 is an attacker's.

    The same seed and number give the same events. However few there are, each day holds a scan, a
    run of stolen passwords and a scraper. All addresses are documentation's or private ones.
    """
    days = -(-events // BUSIEST_DAY)
    number = 0
    overnight: list[Request] = []
    for day in range(days):
        budget = events * (day + 1) // days - events * day // days
        requests = sorted([*overnight, *_day(random.Random(f"{seed}/{day}"), day, budget)])
        ends = (day + 1) * DAY if day + 1 < days else requests[-1].at + 1
        for request in requests:
            if request.at < ends:
                yield _event(request, f"sim-{seed}-{number}"), request.label
                number += 1
        overnight = [request for request in requests if request.at >= ends]


def combined_line(event: AccessEvent) -> str:
    """The event as a line of Apache's Combined Log Format, without its line end."""
    at = datetime.fromisoformat(event.occurred_at).astimezone(UTC)
    stamp = f"{at:%d}/{MONTHS[at.month - 1]}/{at:%Y:%H:%M:%S} +0000"
    request = _quoted(f"{event.method} {event.path} HTTP/1.1")
    agent, referrer = _quoted(event.user_agent or "-"), _quoted(event.referrer or "-")
    size = event.bytes or "-"
    return f"{event.client_ip} - - [{stamp}] {request} {event.status} {size} {referrer} {agent}"


def _day(chance: random.Random, day: int, budget: int) -> Iterator[Request]:
    """As many requests as the budget says: attacks, regular clients, and people for the rest."""
    left = budget
    for requests in _visits(chance, budget):
        for request in requests[:left]:
            yield request._replace(at=request.at + day * DAY)
        left -= len(requests)
        if left <= 0:
            return


def _visits(chance: random.Random, budget: int) -> Iterator[list[Request]]:
    yield from attacks(chance, budget)
    yield from regulars(chance, budget)
    while True:
        yield visit(chance)


def _event(request: Request, event_id: str) -> AccessEvent:
    at = FIRST_DAY + timedelta(milliseconds=request.at)
    return AccessEvent(
        occurred_at=f"{at:%Y-%m-%dT%H:%M:%S}.{request.at % 1_000:03d}Z",
        client_ip=request.client,
        method=request.method,
        path=request.path,
        status=request.status,
        event_id=event_id,
        bytes=request.bytes,
        referrer=request.referrer,
        user_agent=request.agent,
    )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
