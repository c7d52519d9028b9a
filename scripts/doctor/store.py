"""Whether Redis keeps what it is given, and whether its clock and ours agree."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from models.errors import Unavailable
from producer.settings import Connections
from scripts.doctor.finding import Finding, State
from scripts.doctor.servers import AGAIN, silent
from scripts.stack.health import is_listening
from scripts.stack.settings import LocalStack
from scripts.stack.software import OLDEST_REDIS
from stream_agents.results import answered, connected

NOTICED_S, WRONG_S = 1.0, 60.0
"""A fifth of the skew from which on events of a well-set clock would be dead is wrong enough."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a Redis tells of itself; None where it lets nobody ask.

    Args:
        eviction: maxmemory-policy.
        last_write: `ok`, or how the last write of the append-only file went.
        ahead_s: By how much its clock is ahead of ours.
    """

    version: str
    eviction: str | None
    appendonly: str | None
    last_write: str
    ahead_s: float


def store(settings: LocalStack, started: bool) -> Iterator[Finding]:
    """Args: started: Whether the stack's own Redis is alive."""
    url = Connections().redis
    at, is_own = urlsplit(url), url == settings.redis
    if at.scheme not in ("redis", "rediss") or not at.hostname:
        line = "CENTINELA_REDIS must be a URL, redis://host:port/0"  # not shown: a password in it
        yield Finding("redis", State.FAILED, line, "unset CENTINELA_REDIS")
        return
    where = f"{at.hostname}:{at.port or 6379}"
    if not is_listening(at.hostname, at.port or 6379):
        yield silent("redis", where, started and is_own)
        yield Finding("clock", State.OFF, "nothing runs that it could be compared with")
        return
    try:
        told = asyncio.run(tell(url))
    except Unavailable as error:
        repair = AGAIN if is_own else "unset CENTINELA_REDIS"
        yield Finding("redis", State.FAILED, f"takes connections, but: {error}", repair)
        return
    yield redis(told, where)
    yield clock(told.ahead_s)


def redis(told: Told, where: str) -> Finding:
    said = f"{told.version} answers at {where}"
    if tuple(map(int, told.version.split(".")[:2])) < OLDEST_REDIS:
        line = f"{said}, and {'.'.join(map(str, OLDEST_REDIS))} is needed"
        return Finding("redis", State.FAILED, line, "apt-get install redis-server")
    if told.last_write != "ok":
        line = f"{said}, but its last write to disk failed; is the disk full?"
        return Finding("redis", State.FAILED, line, "df -h")
    if told.eviction is None or told.appendonly is None:
        line = f"{said}; whether it evicts and keeps, it does not let us ask (CONFIG GET)"
        return Finding("redis", State.WARNING, line)
    if told.eviction != "noeviction":
        line = f"{said}, but may forget what it was given: maxmemory-policy is {told.eviction}"
        return Finding("redis", State.FAILED, line, setting("maxmemory-policy", "noeviction"))
    if told.appendonly != "yes":
        line = f"{said}, but keeps nothing on disk: the log is folded anew when it restarts"
        return Finding("redis", State.WARNING, line, setting("appendonly", "yes"))
    return Finding("redis", State.OK, f"{said}, keeps what it is given")


def setting(name: str, value: str) -> str:
    """A command that sets it; redis-cli need not be here, and no password is shown."""
    imports = "import redis; from producer.settings import Connections as At"
    change = f"redis.from_url(At().redis).config_set({name!r}, {value!r})"
    return f'.venv/bin/python -c "{imports}; {change}"'


def clock(ahead_s: float) -> Finding:
    """Args: ahead_s: By how much Redis' clock is ahead of ours."""
    line = f"{abs(ahead_s):,.3f} s {'behind' if ahead_s > 0 else 'ahead of'} that of Redis"
    if abs(ahead_s) >= WRONG_S:
        return Finding("clock", State.FAILED, line, "timedatectl set-ntp true")
    if abs(ahead_s) >= NOTICED_S:
        return Finding("clock", State.WARNING, line, "timedatectl set-ntp true")
    return Finding("clock", State.OK, line)


async def tell(url: str) -> Told:
    """Raises Unavailable where it does not answer."""
    client = connected(url, retries=1)
    try:
        about = await answered(client.info(), "no answer to INFO")
        before = time.time()
        seconds, micros = await answered(client.time(), "no answer to TIME")
        ahead_s = seconds + micros / 1e6 - (before + time.time()) / 2
        settings: dict[str, str] = {}
        for name in ("maxmemory-policy", "appendonly"):
            try:
                settings |= await answered(client.config_get(name), f"no {name}")
            except Unavailable:  # a managed Redis may refuse CONFIG
                continue
    finally:
        await client.aclose()
    return Told(
        version=str(about["redis_version"]),
        eviction=settings.get("maxmemory-policy"),
        appendonly=settings.get("appendonly"),
        last_write=str(about.get("aof_last_write_status", "ok")),
        ahead_s=ahead_s,
    )
