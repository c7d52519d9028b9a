"""Lines of access logs, one row a quirk that real logs have."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidEvent
from models.packs.access.events import AccessEvent
from producer.formats import parse_access_line, split_request
from producer.sources import Source

DATA = Path(os.environ.get("CENTINELA_DATA", Path(__file__).resolve().parents[4] / "shared/data"))

HEAD = "203.0.113.7 - - [17/May/2015:10:05:03 +0000]"
COMMON = f'{HEAD} "GET /a?b=c HTTP/1.1" 200 512'
COMBINED = f'{COMMON} "http://here/" "Mozilla/5.0 (X11)"'


def event(**other: object) -> AccessEvent:
    """What COMBINED says, but for the fields given."""
    told = AccessEvent(
        occurred_at="2015-05-17T10:05:03.000Z",
        client_ip="203.0.113.7",
        method="GET",
        path="/a?b=c",
        status=200,
        bytes=512,
        referrer="http://here/",
        user_agent="Mozilla/5.0 (X11)",
    )
    return msgspec.structs.replace(told, **other)


BARE = event(referrer="", user_agent="")

READABLE = {
    "combined": (COMBINED, event()),
    "common": (COMMON, BARE),
    "dashes are nothing": (f'{HEAD} "GET / HTTP/1.1" 304 - "-" "-"', event(
        path="/", status=304, bytes=0, referrer="", user_agent="")),
    "one more quoted field": (f'{COMBINED} "-"', event()),
    "one more field, after a one-word agent": (
        f'{COMMON} "-" "curl/8.1" "10.0.0.1"', event(referrer="", user_agent="curl/8.1")),
    "more fields, not quoted": (f"{COMBINED} 0.004 10.0.0.9:8080 0.003", event()),
    "more fields after common": (f"{COMMON} 0.004", BARE),
    "a blank at the end": (f"{COMBINED} ", event()),
    "carriage return": (f"{COMBINED}\r\n", event()),
    "virtual host": (f"shop.example:443 {COMBINED}", event()),
    "virtual host and a client name": (
        f"shop.example {COMMON.replace('203.0.113.7', 'c.example')}",
        msgspec.structs.replace(BARE, client_ip="c.example")),
    "a user with a blank in its name": (COMBINED.replace("- - [", "- John Smith ["), event()),
    "forwarded for two": (
        COMBINED.replace("203.0.113.7", "203.0.113.7, 10.0.0.1"), event()),
    "version 6": (COMBINED.replace("203.0.113.7", "2001:db8::7"), event(client_ip="2001:db8::7")),
    "wrapped in quotes": (f'"{COMBINED}"', event()),
    "wrapped as CSV does": ('"' + COMBINED.replace('"', '""') + '"', event()),
    "session id for a client": (
        COMBINED.replace("203.0.113.7 - -", "- -").replace('" "Moz', '" 49rbuft0 "Moz'),
        event(client_ip="49rbuft0")),
    "an address goes before a session id": (
        COMBINED.replace('" "Moz', '" 49rbuft0 "Moz'), event()),
    "escaped quote in the request": (
        COMBINED.replace("b=c", r'b=\"><script>'), event(path=r'/a?b=\"><script>')),
    "raw quote in the request": (
        COMBINED.replace("b=c", 'b="><script>'), event(path='/a?b="><script>')),
    "raw quote after the method": (
        COMBINED.replace("GET", 'GET"'), event(method='GET"')),
    "a backslash before the closing quote": (
        COMBINED.replace(" HTTP/1.1", "\\"), event(path="/a?b=c\\")),
    "agent without a closing quote": (COMBINED[:-1], event()),
    "agent with raw quotes": (
        COMBINED.replace("(X11)", '"x"y'), event(user_agent='Mozilla/5.0 "x"y')),
    "no request": (f'{HEAD} "-" 408 - "-" "-"', event(
        method="-", path="", status=408, bytes=0, referrer="", user_agent="")),
    "empty request": (f'{HEAD} "" 400 0', msgspec.structs.replace(
        BARE, method="-", path="", status=400, bytes=0)),
    "lower-case method": (COMBINED.replace("GET", "get"), event(method="get")),
    "method of its own": (COMBINED.replace("GET", "PROPFIND"), event(method="PROPFIND")),
    "no protocol": (COMBINED.replace(" HTTP/1.1", ""), event()),
    "blanks in the path": (COMBINED.replace("b=c", "b=c d e"), event(path="/a?b=c d e")),
    "binary request": (f'{HEAD} "\x16\x03\x00\x01 \ufffd" 400 5', msgspec.structs.replace(
        BARE, method="-", path="\x16\x03\x00\x01 \ufffd", status=400, bytes=5)),
    "hexadecimal escapes are kept": (
        f'{HEAD} "\\x16\\x03\\x01" 400 5', msgspec.structs.replace(
            BARE, method="-", path="\\x16\\x03\\x01", status=400, bytes=5)),
    "a request of 8 KB": (
        COMBINED.replace("b=c", "\\x90" * 2_000), event(path="/a?" + "\\x90" * 2_000)),
    "west of Greenwich": (
        COMBINED.replace("+0000", "-0730"), event(occurred_at="2015-05-17T17:35:03.000Z")),
    "east of Greenwich, over midnight": (
        COMBINED.replace("17/May/2015:10:05:03 +0000", "01/Jan/2016:00:30:00 +0100"),
        event(occurred_at="2015-12-31T23:30:00.000Z")),
    "time as ISO 8601": (
        COMBINED.replace("17/May/2015:10:05:03 +0000", "2015-05-17T12:05:03.250+02:00"),
        event(occurred_at="2015-05-17T10:05:03.250Z")),
}  # fmt: skip

UNREADABLE = {
    "nothing": ("", "there is no [time]"),
    "syslog": ("Mar 27 13:06:56 host sshd[1291]: Invalid user admin", "there is no [time]"),
    "no request at all": (f"{HEAD} 200 512", "no quoted request follows the [time]"),
    "cut in the request": (COMMON[:60], "no status and size follow the request"),
    "no status": (f'{HEAD} "GET / HTTP/1.1" - -', "no status and size follow the request"),
    "status below 100": (f'{HEAD} "GET / HTTP/1.1" 000 0', "status: must be 100 to 999, got 000"),
    "no client and no session": (f'- - - [{HEAD.split("[")[1]} "-" 408 -', "client_ip: "),
    "no session, one dash missing": (
        f'- - [{HEAD.split("[")[1]} "OPTIONS * HTTP/1.0" 200 1 "-" - "x"',
        "client_ip: ",
    ),
    "no such day": (COMMON.replace("17/May", "31/Apr"), "occurred_at: must be a time that exists"),
    "no such month": (COMMON.replace("May", "Mai"), "occurred_at: must be a time that exists"),
    "no such second": (COMMON.replace(":03 ", ":61 "), "occurred_at: must be a time that exists"),
    "digits of another script": (COMMON.replace("200", "٢٠٠"), "no status and size"),
}


@pytest.mark.parametrize(("line", "told"), READABLE.values(), ids=READABLE)
def test_line_is_read(line: str, told: AccessEvent) -> None:
    assert parse_access_line(line) == told


@pytest.mark.parametrize(("line", "reason"), UNREADABLE.values(), ids=UNREADABLE)
def test_line_is_refused_with_its_reason(line: str, reason: str) -> None:
    with pytest.raises(InvalidEvent) as refused:
        parse_access_line(line)

    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("request_line", "told"),
    [
        ("GET / HTTP/1.1", ("GET", "/")),
        ("GET /a b HTTP/1.0", ("GET", "/a b")),
        ("GET /", ("GET", "/")),
        ("GET", ("GET", "")),
        ("-", ("-", "")),
        ("", ("-", "")),
        ("thinkphp!", ("-", "thinkphp!")),
        ("A" * 40 + " /", ("-", "A" * 40 + " /")),
    ],
)
def test_request_is_split(request_line: str, told: tuple[str, str]) -> None:
    assert split_request(request_line) == told


@given(
    line=st.sampled_from([line for line, _ in READABLE.values()]),
    cut=st.tuples(st.integers(0, 200), st.integers(0, 12)),
    inserted=st.text(st.characters() | st.sampled_from('"[]\\ -\0'), max_size=12),
)
def test_a_damaged_line_is_an_event_or_refused_never_a_crash(
    line: str, cut: tuple[int, int], inserted: str
) -> None:
    start, length = cut
    damaged = line[:start] + inserted + line[start + length :]

    try:
        told = parse_access_line(damaged.encode("utf-8", "replace").decode())
    except InvalidEvent:
        return
    assert msgspec.json.decode(msgspec.json.encode(told), type=AccessEvent) == told
    assert told.client_ip
    assert 100 <= told.status <= 999


@given(st.text())
def test_any_text_is_an_event_or_refused(line: str) -> None:
    with suppress(InvalidEvent):
        parse_access_line(line)


def test_many_false_starts_take_no_longer_than_their_length() -> None:
    start = '[17/May/2015:10:05:03 +0000] "'

    with pytest.raises(InvalidEvent):
        parse_access_line(start * 4_000)


FILES = {
    "apache_logs_semicomplete_2015-05.log.gz": (10_000, 0),
    "almhuette_2019-04-02.access.log.gz": (7_213, 0),
    "secrepo_2021-10-22.access.log.gz": (644, 0),
    "honeynet_2004/access_log.20.gz": (568, 0),
    "honeynet_2004/access_log.21.gz": (1_523, 0),
    "honeynet_2004/access_log.22.gz": (2_286, 0),
    "honeynet_2004/access_log.23.gz": (1_415, 0),
    "honeynet_2004/access_log.24.gz": (9_344, 0),
    "honeynet_2004/access_log.25.gz": (4_130, 0),
    "m4d_web_bots/access_moderate_bots.log.gz": (13_609, 291),
    "m4d_web_bots/humans_access_2.log.gz": (2_662, 45),
    "m4d_web_bots/humans_access_3.log.gz": (5_238, 103),
    "apache_http_attacks/netsparker.txt.gz": (7_314, 0),
    "apache_http_attacks/acunetix.txt.gz": (6_539, 0),
}


@pytest.mark.parametrize(("name", "counts"), FILES.items(), ids=FILES)
def test_every_line_of_a_real_log_is_parsed_or_refused(name: str, counts: tuple[int, int]) -> None:
    path = DATA / "access" / name
    if not path.exists():
        pytest.skip(f"no data set at {path}; set CENTINELA_DATA to the folder that has it")

    told = Counter(bool(row and row.event) for row in Source(str(path)).rows())

    lines = sum(1 for line in gzip.decompress(path.read_bytes()).split(b"\n") if line.strip())
    assert (told[True], told[False]) == counts
    assert told.total() == lines
