"""Lines of access logs as events: Common and Combined Log Format, and what servers make of them.

Taken as they are met: further fields after the user agent, a virtual host before the client, a
line wrapped in quotes, a PHP session id before the user agent, requests that are empty, binary or
hold raw quotes, a user agent whose quote is never closed. Log escapes (`\\"`, `\\x16`) are kept.
"""

from __future__ import annotations

import re

from models.errors import InvalidEvent
from models.packs.access.events import AccessEvent
from producer.instants import log_time

_QUOTED = r'"([^"\\]*(?:\\.[^"\\]*)*)"'
_STRICT = re.compile(
    rf"([^\[]*)\[([^\]]*)\] {_QUOTED} ([0-9]{{3}}) ([0-9]{{1,15}}|-)"
    rf'(?: {_QUOTED} (?:([^"\s]\S*) )?{_QUOTED}(?: .*)?|(?: [^"].*)?)',
    re.ASCII | re.DOTALL,
)
"""head [time] "request" status bytes, then nothing of ours, or "referrer" session? "agent"."""

_LOOSE = re.compile(
    r"(.{0,512}?)\[([0-9][^\[\]]{9,34})\]\s+"
    r'"(.*?)"? ([0-9]{3}) ([0-9]{1,15}|-)(?=\s|$)(.*)',
    re.ASCII | re.DOTALL,
)
"""The same where quotes cannot be trusted: the request ends before the first status and size."""

_LOOSE_TAIL = re.compile(r'\s+"(.*?)" (?:([^"\s]\S*) )?"(.*?)(?:"(?:\s.*)?)?', re.ASCII | re.DOTALL)
_TIME = re.compile(r"\[[0-9][^\[\]]{9,34}\]", re.ASCII)
_ADDRESS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_METHODS = frozenset(("GET", "POST", "HEAD", "PUT", "OPTIONS", "DELETE", "PATCH"))
_METHOD = re.compile(r"[!-~]{1,32}")


def parse_access_line(line: str, event_id: str = "") -> AccessEvent:
    """Read one line of an access log.

    The client of a line without an address is its session id.

    Raises:
        InvalidEvent: The line tells no time, request, status or client; the message says which.
    """
    line = _unwrapped(line.strip("\r\n"))
    if found := _STRICT.fullmatch(line):
        head, time, request, status, size, referrer, session, agent = found.groups("")
    else:
        head, time, request, status, size, referrer, session, agent = _read_loosely(line)
    method, path = split_request(request)
    return AccessEvent(
        log_time(time),
        _client(head, session),
        method,
        path,
        _status(status),
        event_id,
        0 if size == "-" else int(size),
        "" if referrer == "-" else referrer,
        "" if agent == "-" else agent,
    )


def split_request(request: str) -> tuple[str, str]:
    """Method and path of a request line; what is no request line is all path, its method `-`."""
    method, blank, rest = request.partition(" ")
    if not (method in _METHODS or _METHOD.fullmatch(method) and (blank or method.isalpha())):
        return "-", "" if request == "-" else request
    path, blank, protocol = rest.rpartition(" ")
    return method, path if blank and protocol.startswith("HTTP/") else rest


def _unwrapped(line: str) -> str:
    """Without blanks around, or the quotes that some tools put around each line."""
    line = line.strip(" ")
    if not line.startswith('"'):
        return line
    line = line[1:-1] if line.endswith('"') else line[1:]
    return line.replace('""', '"') if '] ""' in line else line


def _read_loosely(line: str) -> tuple[str, str, str, str, str, str, str, str]:
    if not (found := _LOOSE.fullmatch(line)):
        raise InvalidEvent(_why_unreadable(line))
    head, time, request, status, size, rest = found.groups()
    tail = _LOOSE_TAIL.fullmatch(rest)
    referrer, session, agent = tail.groups("") if tail else ("", "", "")
    return head, time, request, status, size, referrer, session, agent


def _why_unreadable(line: str) -> str:
    if not (time := _TIME.search(line)):
        return "not an access-log line: there is no [time]"
    if '"' not in line[time.end() :]:
        return "not an access-log line: no quoted request follows the [time]"
    return "not an access-log line: no status and size follow the request"


def _client(head: str, session: str) -> str:
    """The client among what stands before the time: `[host] client ident user`, or less."""
    words = head.split()
    client = words[0] if words else ""
    if client.endswith(","):
        client = client.rstrip(",")
    elif len(words) > 3 and (_ADDRESS.fullmatch(words[1]) or (words[1] != "-" == words[2])):
        client = words[1]
    if client not in ("", "-"):
        return client
    if session not in ("", "-"):
        return session
    raise InvalidEvent("client_ip: the line tells neither an address nor a session id")


def _status(digits: str) -> int:
    if digits < "100":
        raise InvalidEvent(f"status: must be 100 to 999, got {digits}")
    return int(digits)
