"""`docker compose up` for real: the image is built, everything runs in containers, and is asked.

One project of its own, on free ports; it goes away at the end, with its volumes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from scripts.stack import docker
from scripts.stack.ports import free_ports
from scripts.stack.settings import ROOT, CannotStart

pytestmark = pytest.mark.timeout(900)  # building the image compiles the kernels

BASE = "python:3.11-slim"
IMAGE = "centinela:test"
SERVERS = ("kafka", "redis", "postgres")
OURS = ("api", "decision", "ingestion", "recorder")
WITHIN_S = 120.0
EVENTS = 3_000
CONSUMER = "/opt/kafka/bin/kafka-console-consumer.sh"
HOME = {
    "occurred_at": "2025-03-03T12:00:00Z",
    "client_ip": "203.0.113.7",
    "method": "GET",
    "path": "/",
    "status": 200,
}
ATTACK = {**HOME, "event_id": "compose-1", "path": "/item?id=1%27%20OR%201=1--"}
PORTS = {"ingestion": 9101, "decision": 9102}
LOCKED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL")


@dataclass(frozen=True, slots=True)
class Project:
    """A compose project of the test's own."""

    compose: tuple[str, ...]
    kafka_port: int
    api_port: int
    environment: Mapping[str, str]

    def run(self, *arguments: str) -> str:
        """What a compose command prints."""
        return told_by(*self.compose, *arguments, environment=self.environment)

    def start(self, *arguments: str) -> None:
        """`up`, and wait until every container's own health check is content."""
        self.run("up", "-d", *arguments)
        wait_until(lambda: self.unhealthy() == [], self.story)

    def unhealthy(self) -> list[str]:
        return [
            state["Name"]
            for state in self.containers()
            if state["State"].get("Health", {}).get("Status") != "healthy"
        ]

    def containers(self, service: str = "") -> list[dict[str, Any]]:
        """As `docker inspect` tells them."""
        ids = self.run("ps", "-q", *([service] if service else [])).split()
        return list(json.loads(told_by("docker", "inspect", *ids))) if ids else []

    def story(self) -> str:
        return f"{self.unhealthy()}: {self.run('logs', '--no-color', '--tail=20')}"

    def centinela(self, *arguments: str) -> str:
        """What a command of this machine prints, against the published ports."""
        command = (sys.executable, "-m", "scripts.cli", *arguments)
        return told_by(*command, environment=self.environment)

    def analyze(self, *events: Mapping[str, object]) -> list[dict[str, Any]]:
        url = f"http://127.0.0.1:{self.api_port}/analyze"
        headers = {"Prefer": "wait=30"}
        answer = httpx.post(url, json={"events": events}, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["results"])


def told_by(*command: str, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-3000:]} {done.stderr[-3000:]}"
    return done.stdout


def said_by(container: str) -> str:
    said = subprocess.run(("docker", "logs", container), capture_output=True, text=True)
    return said.stdout + said.stderr


def wait_until(holds: Callable[[], bool], story: Callable[[], str]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline, story()
        time.sleep(0.5)


def require_image(name: str) -> None:
    for command in (("image", "inspect"), ("pull", "--quiet")):
        if subprocess.run(("docker", *command, name), capture_output=True).returncode == 0:
            return
    pytest.skip(f"no image {name}, and it cannot be pulled")


def partitions(stack: Project, service: str) -> list[set[str]]:
    """By worker of a stage, the partitions that it owns."""
    url = f"http://127.0.0.1:{PORTS[service]}/metrics"
    ask = f"import urllib.request as u; print(u.urlopen('{url}').read().decode())"
    owned = []
    for container in stack.containers(service):
        told = told_by("docker", "exec", container["Id"], "python", "-c", ask)
        owned.append(
            {
                sample.labels["partition"]
                for family in text_string_to_metric_families(told)
                for sample in family.samples
                if sample.name == "centinela_fence_offset"
            }
        )
    return owned


def is_shared(stack: Project, service: str) -> bool:
    """Whether each of the workers has a part of the four partitions, and no two the same."""
    owned = partitions(stack, service)
    return all(owned) and sorted(chain(*owned)) == ["0", "1", "2", "3"]


@pytest.fixture(scope="module")
def project() -> Iterator[Project]:
    """The image built, nothing started."""
    if os.environ.get("STACK") == "native":
        pytest.skip("STACK=native leaves out docker")
    try:
        compose = docker.compose()
    except CannotStart as error:
        pytest.skip(str(error))
    kafka_port, api_port = free_ports(2)
    environment = {
        **{name: told for name, told in os.environ.items() if not name.startswith("CENTINELA_")},
        "COMPOSE_PROJECT_NAME": f"centinela-test-{os.getpid()}",
        "CENTINELA_IMAGE": IMAGE,
        "CENTINELA_KAFKA_PORT": str(kafka_port),
        "CENTINELA_API_PORT": str(api_port),
    }
    project = Project(compose, kafka_port, api_port, environment)
    for name in (BASE, "apache/kafka:4.1.1", "redis:7", "postgres:15"):
        require_image(name)
    project.run("build", "api")
    try:
        yield project
    finally:
        project.run("down", "-v", "--remove-orphans")


@pytest.fixture(scope="module")
def stack(project: Project) -> Project:
    """Everything, healthy. The ingestion agent comes first: it needs nobody to make its topics."""
    project.start("ingestion")
    project.start()
    return project


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory, project: Project) -> Path:
    """Simulated traffic as a user would make it."""
    file = tmp_path_factory.mktemp("sample") / "traffic.ndjson"
    project.centinela("simulate", "access", "--events", str(EVENTS), "--to", str(file))
    return file


def test_a_posted_attack_is_answered_with_a_block(stack: Project) -> None:
    (answer,) = stack.analyze(ATTACK)

    assert (answer["outcome"], answer["action"]) == ("decided", "block")
    assert "sql_injection" in answer["rules"]


def test_every_line_of_a_replay_has_its_outcome(stack: Project, sample: Path) -> None:
    told = stack.centinela("replay", str(sample), "--shift-to", "now", "-o", "json")

    account = json.loads(told.splitlines()[-1])
    assert (account["sent"], account["decided"], account["missing"]) == (EVENTS, EVENTS, 0)


def test_every_answer_is_recorded(stack: Project) -> None:
    stack.analyze({**ATTACK, "event_id": "recorded"})
    found = "block|sql_injection\n"
    asked = "select action, rules[1] from decisions where event_id = 'recorded'"
    psql = ("sh", "-c", f'PGPASSWORD=$POSTGRES_PASSWORD psql -U centinela -Atc "{asked}"')

    wait_until(lambda: stack.run("exec", "-T", "postgres", *psql) == found, stack.story)


@pytest.mark.parametrize("by", ["compose", "script"])
def test_the_console_consumer_prints_one_action_a_line(stack: Project, by: str) -> None:
    stack.analyze({**ATTACK, "event_id": f"console-{by}"})
    address = f"127.0.0.1:{stack.kafka_port}"
    flags = ("--bootstrap-server", address, "--topic", "actions.access", "--from-beginning")
    enough = ("--max-messages", "1", "--timeout-ms", "60000")
    if by == "compose":
        printed = stack.run("exec", "-T", "kafka", CONSUMER, *flags, *enough)
    else:
        environment = {**stack.environment, "STACK": "docker"}
        script = "scripts/kafka-console-consumer"
        printed = told_by(script, *flags, *enough, environment=environment)

    actions = [json.loads(line) for line in printed.splitlines()]
    assert actions
    assert {action["outcome"] for action in actions} <= {"decided", "duplicate", "late", "dead"}


@pytest.mark.parametrize("service", [*SERVERS, *OURS])
def test_a_container_has_limits_and_no_way_to_more_rights(stack: Project, service: str) -> None:
    (container,) = stack.containers(service)

    host = container["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert host["CapAdd"] is None
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert not host["Privileged"]
    assert min(host["Memory"], host["NanoCpus"], host["PidsLimit"]) > 0
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert stack.run("exec", "-T", service, "id", "-u").strip() != "0"


@pytest.mark.parametrize("service", OURS)
def test_our_processes_can_write_nowhere_but_to_tmp(stack: Project, service: str) -> None:
    (container,) = stack.containers(service)
    writable = "find / -xdev -writable 2>/dev/null; true"

    assert container["HostConfig"]["ReadonlyRootfs"]
    assert stack.run("exec", "-T", service, "sh", "-c", writable) == "/tmp\n"


def test_only_the_api_and_kafka_are_published_both_on_loopback(stack: Project) -> None:
    published = {
        (container["Config"]["Labels"]["com.docker.compose.service"], at["HostIp"], at["HostPort"])
        for container in stack.containers()
        for bindings in container["NetworkSettings"]["Ports"].values()
        for at in bindings or ()
    }

    assert published == {
        ("api", "127.0.0.1", str(stack.api_port)),
        ("kafka", "127.0.0.1", str(stack.kafka_port)),
    }


def test_the_image_alone_shows_a_first_detection(project: Project) -> None:
    identity = told_by("docker", "run", "-d", *LOCKED, IMAGE).strip()
    try:
        wait_until(lambda: "first detection after" in said_by(identity), partial(said_by, identity))
    finally:
        told_by("docker", "rm", "-f", identity)


def test_all_kernels_are_in_the_image_compiled(project: Project) -> None:
    told = told_by(
        *("docker", "run", "--rm", *LOCKED, "-e", "NUMBA_DEBUG_CACHE=1", IMAGE, "demo", "--once")
    )

    assert "data loaded from" in told
    assert "data saved to" not in told


@pytest.mark.parametrize(
    ("flags", "command", "line"),
    [
        (("--read-only",), (), "centinela: /tmp cannot be written to: give the container one"),
        ((), ("train",), "centinela: sklearn is not installed here"),
    ],
    ids=["nowhere to write", "what needs a checkout"],
)
def test_what_the_image_cannot_do_is_one_line(
    project: Project, flags: tuple[str, ...], command: tuple[str, ...], line: str
) -> None:
    done = subprocess.run(
        ("docker", "run", "--rm", *flags, IMAGE, *command), capture_output=True, text=True
    )

    assert done.returncode == 2
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1


@dataclass(frozen=True, slots=True)
class Up:
    """`STACK=docker make up`'s command, as a process."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def shown(self) -> str:
        return (self.folder / "shown").read_text()

    def await_line(self, line: str) -> None:
        wait_until(lambda: line in self.shown or self.process.poll() is not None, lambda: "")
        assert line in self.shown, self.shown


@pytest.fixture(scope="module")
def up(stack: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A second life on the same volumes; the last test ends it."""
    stack.analyze({**ATTACK, "event_id": "before"})
    stack.run("down")
    folder = tmp_path_factory.mktemp("up")
    environment = {**stack.environment, "STACK": "docker", "CENTINELA_HOME": str(folder)}
    with (folder / "shown").open("wb") as shown:
        process = subprocess.Popen(
            (sys.executable, "-m", "scripts.cli", "up"),
            cwd=ROOT,
            env=environment,
            stdout=shown,
            stderr=shown,
        )
    try:
        yield Up(process, folder)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(WITHIN_S)


def test_up_shows_a_first_detection(up: Up, stack: Project) -> None:
    up.await_line("Ctrl-C stops everything")

    (row,) = (line for line in up.shown.splitlines() if "/../../../../etc/passwd" in line)
    assert "block" in row
    assert "missing 0" in up.shown
    assert "first detection after" in up.shown
    assert f"http://127.0.0.1:{stack.api_port}/docs" in up.shown


def test_what_was_learned_outlives_the_containers(up: Up, stack: Project) -> None:
    (answer,) = stack.analyze({**ATTACK, "event_id": "before"})

    assert answer["outcome"] == "duplicate"


def test_two_workers_of_each_stage_share_the_work(up: Up, stack: Project, tmp_path: Path) -> None:
    stack.start("--no-recreate", "--scale", "ingestion=2", "--scale", "decision=2")
    for service in PORTS:
        wait_until(partial(is_shared, stack, service), stack.story)
    file = tmp_path / "more.ndjson"
    stack.centinela("simulate", "--seed", "11", "--events", str(EVENTS), "--to", str(file))
    told = stack.centinela("replay", str(file), "--shift-to", "now", "-o", "json")
    answers = stack.analyze(*({**HOME, "client_ip": f"10.20.30.{n}"} for n in range(50)))

    account = json.loads(told.splitlines()[-1])
    assert (account["sent"], account["decided"], account["missing"]) == (EVENTS, EVENTS, 0)
    assert {answer["outcome"] for answer in answers} == {"decided"}
    assert all(is_shared(stack, service) for service in PORTS)


def test_a_second_up_is_one_line(up: Up, stack: Project, tmp_path: Path) -> None:
    environment = {**stack.environment, "STACK": "docker", "CENTINELA_HOME": str(tmp_path)}
    command = (sys.executable, "-m", "scripts.cli", "up")
    again = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    assert again.returncode == 2
    assert again.stderr.startswith("centinela: the containers run already: open http://127.0.0.1:")
    assert again.stderr.count("\n") == 1


def test_ctrl_c_ends_the_containers_and_keeps_the_volumes(up: Up, stack: Project) -> None:
    up.process.send_signal(signal.SIGINT)

    assert up.process.wait(WITHIN_S) == 0
    assert "all processes have ended" in up.shown.splitlines()[-1]
    assert stack.containers() == []
    project = stack.environment["COMPOSE_PROJECT_NAME"]
    volumes = told_by("docker", "volume", "ls", "-q").split()
    assert {f"{project}_{name}" for name in SERVERS} <= set(volumes)


def test_down_ends_containers_that_were_left(up: Up, stack: Project, tmp_path: Path) -> None:
    environment = {**stack.environment, "STACK": "docker", "CENTINELA_HOME": str(tmp_path)}
    stack.run("up", "-d", "redis")
    told = told_by(sys.executable, "-m", "scripts.cli", "down", environment=environment)

    assert told == "ended: the containers\n"
    assert stack.containers() == []
