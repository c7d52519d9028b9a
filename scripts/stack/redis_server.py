"""Redis as a child process, set so that what it has confirmed it keeps and never evicts."""

from __future__ import annotations

from scripts.stack.health import redis_answers
from scripts.stack.settings import LocalStack
from scripts.stack.supervisor import Child


def store(settings: LocalStack, program: str) -> Child:
    folder = settings.folder / "redis"
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "port": str(settings.redis_port),
        "bind": "127.0.0.1",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "set-proc-title": "no",  # its command line is how it is recognised as ours
    }
    return Child(
        "redis",
        (program, *(word for name, value in options.items() for word in (f"--{name}", value))),
        settings.log("redis"),
        redis_answers(settings.redis_port),
    )
