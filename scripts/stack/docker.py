"""The whole stack in containers: Docker Compose runs it; here it is started, watched and ended."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import msgspec

from scripts.stack.settings import ROOT, CannotStart, LocalStack
from scripts.stack.waiting import held_in_time

SERVERS = ("kafka", "redis", "postgres")
OURS = ("ingestion", "decision", "recorder", "api")

IMAGE = "centinela:latest"
"""As docker-compose.yml has it, unless CENTINELA_IMAGE says otherwise."""

START_WITHIN_S = 120.0
INSPECT_EVERY_S = 2.0
LAST_LINES = 5
LONGEST_WORDS = 300
INSPECTED = '{"name":{{json .Name}},"status":{{json .State.Status}},"restarts":{{.RestartCount}}}'
INSTEAD = "or use STACK=native, the default"


class State(msgspec.Struct, frozen=True):
    """A container as Docker sees it.

    Args:
        status: running, restarting, exited, ...
        restarts: How often Docker has started it again.
    """

    name: str
    status: str
    restarts: int


def compose() -> tuple[str, ...]:
    """The command: Compose v2 where Docker has it, else docker-compose.

    Raises:
        CannotStart: There is neither, or no Docker engine that answers.
    """
    if shutil.which("docker") is None:
        raise CannotStart(f"there is no docker on PATH: install it, {INSTEAD}")
    engine = _run("docker", "version", "--format", "{{.Server.Version}}")
    if engine.returncode != 0:
        raise CannotStart(f"Docker does not answer: {_last_line(engine)}; start it, {INSTEAD}")
    if _run("docker", "compose", "version").returncode == 0:
        return ("docker", "compose")
    if shutil.which("docker-compose"):
        return ("docker-compose",)
    raise CannotStart(f"there is no Docker Compose: install it, {INSTEAD}")


class Containers:
    """The compose project of this checkout, or of COMPOSE_PROJECT_NAME.

    Args:
        say: Told, in one line, what happened to a container.
        shield: Holds stop signals back while everything is ended.
    """

    def __init__(
        self,
        settings: LocalStack,
        say: Callable[[str], None],
        shield: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._compose = compose()
        self._ports = {
            "CENTINELA_KAFKA_PORT": str(settings.kafka_port),
            "CENTINELA_API_PORT": str(settings.api_port),
        }
        self._log = settings.log("compose")
        self._say = say
        self._shield = shield
        self._ids: tuple[str, ...] = ()
        self._restarts: dict[str, int] = {}
        self._next_look = 0.0

    @property
    def logs(self) -> str:
        """Where the processes' words are."""
        return f"{' '.join(self._compose)} logs"

    def exist(self) -> bool:
        return bool(self._ask("ps", "-q"))

    def build(self) -> None:
        """The image of this code: minutes the first time, seconds where nothing has changed."""
        image = os.environ.get("CENTINELA_IMAGE") or IMAGE
        if _run("docker", "image", "inspect", image).returncode != 0:
            self._say(f"building {image}: once, for a few minutes")
        self._tell("build", "api")

    def launch(self, *services: str) -> None:
        """Start services without waiting for their health; images that are missing are pulled."""
        self._tell("up", "-d", "--no-deps", *services)
        self._ids = tuple(self._ask("ps", "-q").split())

    def await_answer(self, service: str, answers: Callable[[], bool]) -> None:
        """Raises CannotStart for a service that stays silent."""
        if not self.wait_until(answers, START_WITHIN_S):
            said = f"{service} did not answer within {START_WITHIN_S:.0f} s"
            raise CannotStart(f"{said}: {self._last_words(service)} (see {self.logs} {service})")

    def check(self) -> None:
        """Tell what Docker has started again; raises CannotStart where others ended containers."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + INSPECT_EVERY_S
        for state in self._states():
            if state.restarts > self._restarts.get(state.name, 0):
                self._say(f"{state.name} ended and was started again by Docker (see {self.logs})")
            self._restarts[state.name] = state.restarts

    def wait_until(self, holds: Callable[[], bool], within_s: float) -> bool:
        """Whether it held in time."""
        return held_in_time(holds, within_s, self.check)

    def stop(self) -> None:
        """End and remove the containers; the volumes stay."""
        with self._shield():
            self._tell("down")

    def _states(self) -> list[State]:
        told = _run("docker", "inspect", "--format", INSPECTED, *self._ids)
        states = [msgspec.json.decode(line, type=State) for line in told.stdout.splitlines()]
        if told.returncode != 0 or any(state.status == "exited" for state in states):
            raise CannotStart("containers were ended by someone else: the others are ended too")
        return [msgspec.structs.replace(state, name=state.name.lstrip("/")) for state in states]

    def _last_words(self, service: str) -> str:
        lines = self._ask("logs", "--no-color", f"--tail={LAST_LINES}", service).splitlines()
        return " | ".join(line.strip() for line in lines)[-LONGEST_WORDS:] or "it logged nothing"

    def _ask(self, *arguments: str) -> str:
        return _run(*self._compose, *arguments, **self._ports).stdout.strip()

    def _tell(self, *arguments: str) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        done = _run(*self._compose, *arguments, **self._ports)
        with self._log.open("a") as log:
            log.write(f"$ {' '.join((*self._compose, *arguments))}\n{done.stdout}{done.stderr}")
        if done.returncode != 0:
            command = " ".join((*self._compose, *arguments))
            raise CannotStart(f"{command} failed: {_last_line(done)} (see {self._log})")


def _run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """In a session of its own: a terminal's Ctrl-C reaches us alone."""
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
    )


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
