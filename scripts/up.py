"""`centinela up`: the whole thing on this machine, and its first detection."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NoReturn

from rich.console import Console

from models.errors import Unavailable
from producer.topics import ensure_topics
from scripts import door, sample, showcase
from scripts.stack import native, processes
from scripts.stack.pids import UP, PidFolder
from scripts.stack.ports import require_free_ports
from scripts.stack.settings import ROOT, CannotStart, LocalStack, require_space
from scripts.stack.signals import StopSignals
from scripts.stack.supervisor import Supervisor

STOP_WITHIN_S = 40.0
ANSWER_WITHIN_S = 30.0
LOOK_EVERY_S = 0.5
PIPED_WIDTH = 140
OK, ACCEPTED = 200, 202

NEXT = """\
first detection after {detected_after_s:.1f} s
Open
  {api}/docs     the API, to try in the browser
  {api}/metrics  its metrics; the agents' are at :{ingestion_port} and :{decision_port}
Try next, in another terminal
  tail -50 {sample} | curl -s {api}/analyze -H 'Content-Type: text/plain' --data-binary @-
  .venv/bin/centinela replay {sample}
  scripts/kafka-console-consumer --bootstrap-server {kafka} --topic actions.access --from-beginning
  .venv/bin/centinela features show access {attacker}
Ctrl-C stops everything; what was learned stays in {home}"""


class Steps:
    """Tells each step in one line, with its seconds."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        with self.console.status(what) if self.console.is_terminal else nullcontext():
            yield
        self.say(f"{time.monotonic() - began:6.1f} s  {what}")


def up(settings: LocalStack) -> None:
    """Start, show, and stay until a stop signal; then end everything that was started.

    Raises:
        CannotStart: With what is missing or in the way; nothing is left running.
    """
    began = settings.started or time.time()
    steps = Steps(Console(width=None if sys.stdout.isatty() else PIPED_WIDTH))
    signals = StopSignals()
    pids = PidFolder(settings.run)
    supervisor = Supervisor(settings.run, steps.say, shield=signals.held_back)
    with signals.listening():
        _prepare(settings, pids, steps)
        try:
            _start(settings, supervisor, steps)
            _show(settings, supervisor, steps, began)
            _keep(supervisor)
        except KeyboardInterrupt:
            steps.say("stopping")
        finally:
            signals.deafen()
            with steps.step("all processes have ended"):
                supervisor.stop()
            pids.forget(UP)


def down(settings: LocalStack) -> list[str]:
    """End what `up` has left running; the names of what was ended."""
    return PidFolder(settings.run).end_all()


def _prepare(settings: LocalStack, pids: PidFolder, steps: Steps) -> None:
    """Refuse what cannot work, before anything is started."""
    if settings.stack == "docker":
        raise CannotStart("STACK=docker is not there yet: use STACK=native, the default")
    require_space(settings.folder)
    running = pids.running()
    if running and running[0].name == UP:
        raise CannotStart(
            f"it is running already (pid {running[0].pid}): open {settings.api}/docs, or make down"
        )
    if left := pids.end_all():
        steps.say(f"ended what an earlier run had left: {', '.join(left)}")
    require_free_ports(settings)
    pids.record(UP, os.getpid(), STOP_WITHIN_S)


def _start(settings: LocalStack, supervisor: Supervisor, steps: Steps) -> None:
    with steps.step("Kafka and Redis are starting"):
        native.launch(settings, supervisor)
    with steps.step("the kernels are compiled"):  # meanwhile
        _warm(settings)
    with steps.step("Kafka and Redis answer"):
        supervisor.await_healthy()
    with steps.step("topics are there"):
        connections = settings.connections
        ensure_topics(connections.kafka, connections.pack, connections.partitions)
    with steps.step("the ingestion agent, the decision agent and the API are ready"):
        for child in processes.agents_and_api(settings):
            supervisor.launch(child)
        supervisor.await_healthy()


def _warm(settings: LocalStack) -> None:
    """Compile the kernels once; agents that all compiled at once would be slow to join."""
    log = settings.log("warm")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        command = [sys.executable, "-m", "stream_agents.warm"]
        warmed = subprocess.run(command, cwd=ROOT, stdout=output, stderr=output)
    if warmed.returncode != 0:
        raise CannotStart(f"the kernels cannot be compiled (see {log})")


def _show(settings: LocalStack, supervisor: Supervisor, steps: Steps, began: float) -> None:
    with steps.step(f"a sample log of {sample.EVENTS} requests is written"):
        log = sample.write(settings.folder)
    with steps.step("and replayed through Kafka"):
        ledger = sample.replay(log, settings.connections, supervisor.check)
    steps.say(f"          {ledger}")
    results = _analyze(settings, supervisor)
    detected_after_s = time.time() - began
    steps.console.print(showcase.answer_table(results))
    if not showcase.detects(results):
        raise CannotStart("no attack in the batch was named: is a changed policy in force?")
    # One write: whoever waits for the first line finds the addresses too.
    steps.say(
        NEXT.format(
            detected_after_s=detected_after_s,
            api=settings.api,
            ingestion_port=settings.ingestion_port,
            decision_port=settings.decision_port,
            kafka=settings.kafka,
            sample=log,
            home=settings.folder,
            attacker=showcase.LOGIN.client,
        )
    )


def _analyze(settings: LocalStack, supervisor: Supervisor) -> list[dict[str, Any]]:
    """One batch through `/analyze`; a 202 is asked for again until the answer is there."""
    reply = door.post_text(f"{settings.api}/analyze", showcase.batch_text())
    again = f"{settings.api}{reply.location}"

    def is_complete() -> bool:
        nonlocal reply
        if reply.status == ACCEPTED:
            reply = door.get(again)
        return reply.status == OK

    if not supervisor.wait_until(is_complete, ANSWER_WITHIN_S):
        logs = settings.log("ingestion").parent
        raise Unavailable(f"/analyze had no answer within {ANSWER_WITHIN_S:.0f} s (see {logs})")
    return list(reply.body["results"])


def _keep(supervisor: Supervisor) -> NoReturn:
    while True:
        supervisor.check()
        time.sleep(LOOK_EVERY_S)
