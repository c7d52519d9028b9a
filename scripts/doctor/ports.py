"""Whether the ports of the stack are free, or held by it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scripts.doctor.finding import Finding, State
from scripts.stack.health import http_status, kafka_answers, redis_answers
from scripts.stack.pids import PidFolder
from scripts.stack.ports import free_ports, holder, is_free, ports_of
from scripts.stack.settings import LocalStack


@dataclass(frozen=True, slots=True)
class Held:
    """Who has a port.

    Args:
        by: As the kernel tells: `pid 4711 (java)`.
        ours: Which of this stack's processes it is; None for another.
        answers: Whether it answers as the process that belongs there.
    """

    by: str
    ours: str | None
    answers: bool


def ports(settings: LocalStack) -> Iterator[Finding]:
    ours = {entry.pid: entry.name for entry in PidFolder(settings.run).running()}
    wanted = ports_of(settings)
    for (setting, what), spare in zip(wanted.items(), free_ports(len(wanted)), strict=True):
        number = getattr(settings, setting)
        held = None if is_free(number) else held_now(setting, number, ours)
        yield port(setting, what, number, held, spare)


def port(setting: str, what: str, number: int, held: Held | None, spare: int) -> Finding:
    """Args: held: None for a free port. spare: A free one, to be taken instead."""
    name = f"port {number}"
    if held is None:
        return Finding(name, State.OK, f"{what}: free")
    if held.ours:
        return Finding(name, State.OK, f"{what}: held by this stack's {held.ours}, {held.by}")
    if held.answers:
        return Finding(name, State.OK, f"{what}: held by {held.by}, which answers as it should")
    repair = f"CENTINELA_{setting.upper()}={spare} make up"
    return Finding(name, State.FAILED, f"{what}: held by {held.by}", repair)


def held_now(setting: str, number: int, ours: Mapping[int, str]) -> Held:
    by = holder(number)
    pid = re.match(r"pid (\d+)", by)
    return Held(by, ours.get(int(pid[1])) if pid else None, answers(setting, number))


def answers(setting: str, number: int) -> bool:
    if setting == "kafka_port":
        return kafka_answers(number)()
    if setting == "redis_port":
        return redis_answers(number)()
    return http_status(f"http://127.0.0.1:{number}/health") in (200, 503)
