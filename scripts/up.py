"""`centinela up`: the whole thing on this machine, and its first detection."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

from models.errors import Unavailable
from producer.printing import say
from producer.topics import ensure_topics
from scripts import door, sample, showcase
from scripts.demo import Wish
from scripts.output import console
from scripts.stack import docker, native, processes
from scripts.stack.health import http_answers, kafka_answers
from scripts.stack.pids import UP, PidFolder
from scripts.stack.ports import require_free_ports
from scripts.stack.settings import ROOT, CannotStart, LocalStack, require_space
from scripts.stack.signals import StopSignals
from scripts.stack.software import NotToBeHad
from scripts.stack.supervisor import Supervisor
from scripts.steps import Steps, began

STOP_WITHIN_S = {"native": 40.0, "docker": 90.0, "embedded": 15.0}
ANSWER_WITHIN_S = 30.0
LOOK_EVERY_S = 0.5
OK, ACCEPTED = 200, 202

WITHOUT = "here is the same pipeline in one process, its log and store in memory"

NEXT = """\
Open
  {api}/docs     the API, to try in the browser
  {api}/metrics  {metrics}
Try next, in another terminal
  tail -50 {sample} | curl -s {api}/analyze -H 'Content-Type: text/plain' --data-binary @-
  .venv/bin/centinela replay {sample}
  scripts/kafka-console-consumer --bootstrap-server {kafka} --topic actions.access --from-beginning
  .venv/bin/centinela features show access {attacker}
Ctrl-C stops everything; what was learned stays in {kept}"""

METRICS = {
    "native": "its metrics; the agents' are at :{settings.ingestion_port} and "
    ":{settings.decision_port}",
    "docker": "its metrics; the agents' stay among the containers",
}
KEPT = {"native": "{settings.folder}", "docker": "the volumes (docker volume ls)"}
LOGS = {"native": "see {settings.folder}/logs", "docker": "see docker compose logs"}


class Stack(Protocol):
    """What was started: processes of this machine, or containers."""

    def check(self) -> None: ...
    def wait_until(self, holds: Callable[[], bool], within_s: float) -> bool: ...
    def stop(self) -> None: ...


def up(settings: LocalStack, *, quiet: bool = False) -> None:
    """Start, show, and stay until a stop signal; then end everything that was started.

    Args:
        quiet: Show nothing but what was found.

    Raises:
        CannotStart: With what is missing or in the way; nothing is left running.
    """
    steps = Steps(quiet)
    signals = StopSignals()
    pids = PidFolder(settings.run)
    with signals.listening():
        stack = _stack(settings, steps, signals)
        _prepare(settings, pids, steps)
        try:
            _run(settings, stack, steps)
        except KeyboardInterrupt:
            steps.say("stopping")
        finally:
            signals.deafen()
            with steps.step("all processes have ended"):
                stack.stop()
            pids.forget(UP)


def down(settings: LocalStack) -> list[str]:
    """End what `up` has left running; the names of what was ended."""
    ended = PidFolder(settings.run).end_all()
    if settings.stack == "docker":
        containers = docker.Containers(settings, say)
        if containers.exist():
            containers.stop()
            ended.append("the containers")
    return ended


def _stack(
    settings: LocalStack, steps: Steps, signals: StopSignals
) -> Supervisor | docker.Containers:
    """Raises CannotStart where containers are wanted and cannot be had, or run already."""
    if settings.stack != "docker":
        # A process that had to be started again is told to whoever wants it quiet, too.
        return Supervisor(settings.run, say, shield=signals.held_back)
    containers = docker.Containers(settings, steps.say, shield=signals.held_back)
    if containers.exist():
        raise CannotStart(
            f"the containers run already: open {settings.api}/docs, or STACK=docker make down"
        )
    return containers


def _prepare(settings: LocalStack, pids: PidFolder, steps: Steps) -> None:
    """Refuse what cannot work, before anything is started."""
    require_space(settings.folder)
    running = pids.running()
    if running and running[0].name == UP:
        raise CannotStart(
            f"it is running already (pid {running[0].pid}): open {settings.api}/docs, or make down"
        )
    if left := pids.end_all():
        steps.say(f"ended what an earlier run had left: {', '.join(left)}")
    require_free_ports(settings)
    pids.record(UP, os.getpid(), STOP_WITHIN_S[settings.stack])


def _run(settings: LocalStack, stack: Supervisor | docker.Containers, steps: Steps) -> None:
    """Until a stop signal; where no broker is to be had, without one, and saying so."""
    if settings.stack == "embedded":
        return _demonstrate(settings, steps)
    try:
        if isinstance(stack, docker.Containers):
            _start_containers(settings, stack, steps)
        else:
            _start(settings, stack, steps)
    except NotToBeHad as lacking:
        steps.say(f"{lacking}; {WITHOUT}")
        return _demonstrate(settings, steps)
    _show(settings, stack, steps)
    _keep(stack)


def _demonstrate(settings: LocalStack, steps: Steps) -> None:
    # It takes a second to load: the agents and the API are other processes as a rule.
    from scripts.demonstration import show

    show(settings, Wish(), steps, began(settings))


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


def _start_containers(settings: LocalStack, containers: docker.Containers, steps: Steps) -> None:
    with steps.step("the image is built"):
        containers.build()
    with steps.step("Kafka, Redis and PostgreSQL are started, and Kafka answers"):
        containers.launch(*docker.SERVERS)
        containers.await_answer("kafka", kafka_answers(settings.kafka_port))
    with steps.step("the agents, the recorder and the API are started"):
        containers.launch(*docker.OURS)
        containers.await_answer("api", http_answers(f"{settings.api}/ready"))


def _warm(settings: LocalStack) -> None:
    """Compile the kernels once; agents that all compiled at once would be slow to join."""
    log = settings.log("warm")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        command = [sys.executable, "-m", "stream_agents.warm"]
        warmed = subprocess.run(command, cwd=ROOT, stdout=output, stderr=output)
    if warmed.returncode != 0:
        raise CannotStart(f"the kernels cannot be compiled (see {log})")


def _show(settings: LocalStack, stack: Stack, steps: Steps) -> None:
    with steps.step(f"a sample log of {sample.EVENTS} requests is written"):
        log = sample.write(settings.folder)
    with steps.step("and replayed through Kafka"):
        ledger = sample.replay(log, settings.connections, stack.check)
    print(f"          {ledger}", flush=True)
    results = _analyze(settings, stack)
    detected_after_s = time.time() - began(settings)
    console().print(showcase.answer_table(results))
    if not showcase.detects(results):
        raise CannotStart("no attack in the batch was named: is a changed policy in force?")
    print(f"first detection after {detected_after_s:.1f} s", flush=True)
    steps.say(
        NEXT.format(
            api=settings.api,
            metrics=METRICS[settings.stack].format(settings=settings),
            kafka=settings.kafka,
            sample=log,
            kept=KEPT[settings.stack].format(settings=settings),
            attacker=showcase.LOGIN.client,
        )
    )


def _analyze(settings: LocalStack, stack: Stack) -> list[dict[str, Any]]:
    """One batch through `/analyze`; a 202 is asked for again until the answer is there."""
    reply = door.post_text(f"{settings.api}/analyze", showcase.batch_text())
    again = f"{settings.api}{reply.location}"

    def is_complete() -> bool:
        nonlocal reply
        if reply.status == ACCEPTED:
            reply = door.get(again)
        return reply.status == OK

    if not stack.wait_until(is_complete, ANSWER_WITHIN_S):
        logs = LOGS[settings.stack].format(settings=settings)
        raise Unavailable(f"/analyze had no answer within {ANSWER_WITHIN_S:.0f} s ({logs})")
    return list(reply.body["results"])


def _keep(stack: Stack) -> NoReturn:
    while True:
        stack.check()
        time.sleep(LOOK_EVERY_S)
