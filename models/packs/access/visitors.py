"""The simulator's ordinary clients: people, offices, crawlers, feed readers, monitors, editors."""

from __future__ import annotations

import random
from collections.abc import Iterator
from urllib.parse import quote_plus

from models.packs.access.site import (
    BROWSERS,
    CRAWLERS,
    FEED_READERS,
    ORIGIN,
    PAGES,
    PRODUCTS,
    SEARCHES,
    SHARED_ASSETS,
    Request,
    Zipf,
    body_bytes,
    images_of,
)

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

BUSY = (3, 2, 1, 1, 1, 2, 4, 7, 10, 12, 13, 14, 14, 13, 13, 13, 14, 15, 17, 20, 21, 18, 12, 6)
"""How many visits begin in each hour of a day, relatively."""

POPULAR = Zipf(PAGES)
BROWSER = Zipf(BROWSERS)
ENTRIES = ("", "", "https://www.google.com/", "https://www.google.com/", "https://duckduckgo.com/")


class Visit:
    """One person's way through the site.

    Args:
        knows: A returning visitor's browser has the shared assets already.
    """

    def __init__(self, chance: random.Random, client: str, agent: str, knows: bool) -> None:
        self._chance = chance
        self._client = client
        self._agent = agent
        self._cached = set(SHARED_ASSETS if knows else ())
        self._referrer = chance.choice(ENTRIES)

    def requests(self, start: int) -> Iterator[Request]:
        at = start
        for _ in range(1 + min(int(self._chance.expovariate(0.3)), 40)):
            yield from self._page(at)
            at += 2 * SECOND + int(self._chance.lognormvariate(3.0, 1.1) * SECOND)

    def _page(self, at: int) -> Iterator[Request]:
        kind = self._chance.random()
        if kind < 0.02:
            yield from self._log_in(at)
        elif kind < 0.05:
            yield from self._buy(at)
        elif kind < 0.09:
            words = quote_plus(self._chance.choice(SEARCHES))
            yield from self._show(at, f"/search?q={words}", 200)
        elif kind < 0.10:
            yield self._get(at, POPULAR.draw(self._chance) + self._chance.choice("/-sx1"), 404)
        elif kind < 0.101:
            yield self._get(at, "/products", 500)
        else:
            yield from self._show(at, POPULAR.draw(self._chance), 200)

    def _show(self, at: int, page: str, status: int) -> Iterator[Request]:
        yield self._get(at, page, status)
        self._referrer = ORIGIN + page
        for part in (*SHARED_ASSETS, *images_of(page)):
            at += self._chance.randrange(10, 250)
            if part not in self._cached:
                self._cached.add(part)
                yield self._get(at, part, 304 if self._chance.random() < 0.08 else 200)
        if "iPhone" in self._agent and self._chance.random() < 0.05:
            yield self._get(at, "/apple-touch-icon-precomposed.png", 404)

    def _log_in(self, at: int) -> Iterator[Request]:
        yield from self._show(at, "/account/login", 200)
        while True:
            at += self._chance.randrange(4 * SECOND, 25 * SECOND)
            is_wrong = self._chance.random() < 0.15
            yield self._post(at, "/account/login", 401 if is_wrong else 302)
            if not is_wrong:
                break
        yield from self._show(at + 300, "/account", 200)

    def _buy(self, at: int) -> Iterator[Request]:
        yield self._post(at, "/cart", 303)
        yield from self._show(at + 200, "/cart", 200)
        if self._chance.random() < 0.4:
            at += self._chance.randrange(20 * SECOND, 3 * MINUTE)
            yield self._post(at, "/checkout", 303)
            yield from self._show(at + 400, "/checkout/thanks", 200)

    def _get(self, at: int, path: str, status: int) -> Request:
        return self._request(at, "GET", path, status)

    def _post(self, at: int, path: str, status: int) -> Request:
        return self._request(at, "POST", path, status)

    def _request(self, at: int, method: str, path: str, status: int) -> Request:
        size = body_bytes(path, status)
        return Request(at, self._client, method, path, status, size, self._referrer, self._agent, 0)


def visit(chance: random.Random) -> list[Request]:
    """A visit somewhere in the day, from home or, one in eight, from behind an office's address."""
    hour = chance.choices(range(24), BUSY)[0]
    start = hour * HOUR + chance.randrange(HOUR)
    if chance.random() < 0.12:
        client = f"192.0.2.{chance.randrange(1, 30)}"
    else:
        home = chance.getrandbits(24)
        client = f"10.{home >> 16}.{home >> 8 & 255}.{home & 255}"
    return list(Visit(chance, client, BROWSER.draw(chance), chance.random() < 0.35).requests(start))


def regulars(chance: random.Random, budget: int) -> Iterator[list[Request]]:
    """A day's clients that come on their own clock, about an eighth of the day's requests."""
    yield _monitor(chance, every=max(30 * SECOND, DAY * 50 // budget))
    crawlers = max(2, budget // 25_000)
    for i in range(crawlers):
        yield _crawl(chance, i, every=DAY * crawlers * 17 // budget)
    for i in range(max(1, budget // 2_500)):
        yield _feed_reader(chance, i)
    for i in range(max(1, budget // 40_000)):
        yield _editor(chance, i, requests=max(30, min(budget // 100, 500)))


def _monitor(chance: random.Random, every: int) -> list[Request]:
    agent = "kube-probe/1.32"
    times = range(chance.randrange(every), DAY, every)
    return [Request(at, "10.0.0.5", "GET", "/health", 200, 2, "", agent, 0) for at in times]


def _crawl(chance: random.Random, i: int, every: int) -> list[Request]:
    agent, client = CRAWLERS[i % len(CRAWLERS)], f"192.0.2.{100 + i}"
    at = chance.randrange(HOUR)
    requests = [Request(at, client, "GET", "/robots.txt", 200, 120, "", agent, 0)]
    while at < DAY:
        at += int(chance.expovariate(1.0) * every) + SECOND
        page, kind = chance.choice(PAGES), chance.random()
        path = page + "-old" if kind < 0.03 else page
        status = 404 if kind < 0.03 else 304 if kind < 0.25 else 200
        requests.append(
            Request(at, client, "GET", path, status, body_bytes(path, status), "", agent, 0)
        )
    return requests


def _feed_reader(chance: random.Random, i: int) -> list[Request]:
    every = chance.choice((15, 30, 60)) * MINUTE
    agent, client = FEED_READERS[i % len(FEED_READERS)], f"192.0.2.{150 + i % 100}"
    return [
        Request(at, client, "GET", "/feed.xml", 304, 0, "", agent, 0)
        for at in range(chance.randrange(every), DAY, every)
    ]


def _editor(chance: random.Random, i: int, requests: int) -> list[Request]:
    """Somebody who works on the site: many posts, long hours, one log-in."""
    client, agent = f"192.0.2.{40 + i}", BROWSERS[i % len(BROWSERS)]
    at = 9 * HOUR + chance.randrange(HOUR)
    done = [Request(at, client, "POST", "/account/login", 302, 0, ORIGIN, agent, 0)]
    for _ in range(requests):
        at += int(chance.lognormvariate(3.2, 0.8) * SECOND)
        edits = chance.random() < 0.5
        method, path = ("POST", "/admin/save") if edits else ("GET", chance.choice(PRODUCTS))
        referrer = f"{ORIGIN}/admin/edit"
        done.append(
            Request(at, client, method, path, 200, body_bytes(path, 200), referrer, agent, 0)
        )
    return done
