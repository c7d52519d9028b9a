"""The shop with a blog that the simulator's clients visit: its pages, its parts, its answers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple
from zlib import crc32


class Request(NamedTuple):
    """A request before it is an event.

    Args:
        at: Milliseconds since the first day's midnight.
        label: 1 if an attacker sent it.
    """

    at: int
    client: str
    method: str
    path: str
    status: int
    bytes: int
    referrer: str
    agent: str
    label: int


class Zipf:
    """Draws from a list, the item at rank r with weight 1 / r."""

    def __init__(self, items: Sequence[str]) -> None:
        self._items = items
        self._weights = list(accumulate(1 / rank for rank in range(1, len(items) + 1)))

    def draw(self, chance: random.Random) -> str:
        return chance.choices(self._items, cum_weights=self._weights)[0]


ORIGIN = "https://shop.example"
NOUNS = ("lamp", "chair", "desk", "rug", "mug", "vase", "clock", "shelf", "stool", "blanket")
KINDS = ("oak", "linen", "brass", "clay", "wool", "steel", "glass", "cork", "stone", "paper")
PRODUCTS = tuple(
    f"/product/{kind}-{noun}-{n}" for n in range(4) for kind in KINDS for noun in NOUNS
)
CATEGORIES = tuple(f"/category/{noun}s" for noun in NOUNS)
POSTS = tuple(f"/blog/{kind}-and-{noun}" for kind in KINDS for noun in NOUNS)
PAGES = ("/", "/products", "/blog", *CATEGORIES[:4], *PRODUCTS, *POSTS, *CATEGORIES[4:], "/about")
SHARED_ASSETS = (
    *("/assets/app.3f9a2c.css", "/assets/app.77b0e1.js", "/assets/vendor.1c0de5.js"),
    *("/assets/logo.svg", "/assets/icons.woff2", "/assets/text.woff2", "/favicon.ico"),
)
SEARCHES = (
    "oak lamp",
    "wool rug",
    "gift",
    "desk 120 cm",
    "rock 'n' roll mug",
    "chair & desk",
    "sale",
)

MACINTOSH = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 "
BROWSERS = (
    WINDOWS + "Chrome/133.0.0.0 Safari/537.36",
    IPHONE + "(KHTML, like Gecko) Version/18.3 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/133.0.0.0 Mobile Safari/537.36",
    MACINTOSH + "605.1.15 (KHTML, like Gecko) Version/18.3 Safari/605.1.15",
    WINDOWS + "Chrome/133.0.0.0 Safari/537.36 Edg/133.0.0.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:135.0) Gecko/20100101 Firefox/135.0",
    MACINTOSH + "537.36 (KHTML, like Gecko) Chrome/132.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    IPHONE + "(KHTML, like Gecko) GSA/354.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 Chrome/130.0.0.0 Mobile Safari",
    WINDOWS + "Chrome/109.0.0.0 Safari/537.36",
)
CRAWLERS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 AppleWebKit/537.36 (compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)",
)
FEED_READERS = (
    "Feedly/1.0 (+http://www.feedly.com/fetcher.html)",
    "NetNewsWire (RSS Reader; https://netnewswire.com/)",
    "FreshRSS/1.24 (Linux; https://freshrss.org)",
)


def body_bytes(path: str, status: int) -> int:
    """The size of an answer: always the same for the same path."""
    if status == 304:
        return 0
    if status >= 400:
        return 1_245
    return 1_500 + crc32(path.encode()) % 48_000


def images_of(page: str) -> list[str]:
    """The pictures that a page shows."""
    first = crc32(page.encode())
    return [f"/images/{(first + 7 * i) % 900}.jpg" for i in range(2 + first % 7)]
