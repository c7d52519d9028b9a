"""Which Compose is taken, and what is said where there is none; the programs are stand-ins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.stack import docker
from scripts.stack.settings import CannotStart, LocalStack

ENGINE = 'case "$1" in version) echo 28.0 ;; *) exit 1 ;; esac'
ENGINE_AND_PLUGIN = 'case "$1" in version|compose) echo 28.0 ;; *) exit 1 ;; esac'
NO_ENGINE = 'echo "Cannot connect to the Docker daemon. Is it running?" >&2; exit 1'

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a program on an otherwise empty PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))

    def put(name: str, script: str) -> None:
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)

    return put


def test_the_plugin_is_preferred(install: Install) -> None:
    install("docker", ENGINE_AND_PLUGIN)
    install("docker-compose", "exit 0")

    assert docker.compose() == ("docker", "compose")


def test_the_older_program_will_do(install: Install) -> None:
    install("docker", ENGINE)
    install("docker-compose", "exit 0")

    assert docker.compose() == ("docker-compose",)


@pytest.mark.parametrize(
    ("script", "line"),
    [
        (None, "there is no docker on PATH: install it, or use STACK=native, the default"),
        (ENGINE, "there is no Docker Compose: install it, or use STACK=native, the default"),
        (
            NO_ENGINE,
            "Docker does not answer: Cannot connect to the Docker daemon. Is it running?; "
            "start it, or use STACK=native, the default",
        ),
    ],
    ids=["no docker", "no compose", "no engine"],
)
def test_what_is_missing_is_told(install: Install, script: str | None, line: str) -> None:
    if script:
        install("docker", script)

    with pytest.raises(CannotStart) as told:
        docker.compose()

    assert str(told.value) == line


def test_a_command_of_compose_that_fails_is_told_with_its_last_line(
    install: Install, tmp_path: Path
) -> None:
    install("docker", ENGINE)
    install("docker-compose", 'echo "step 1"; echo "no space left on device" >&2; exit 1')
    containers = docker.Containers(LocalStack(home=tmp_path), lambda _: None)

    with pytest.raises(CannotStart) as told:
        containers.launch("kafka")

    log = tmp_path / "logs" / "compose.log"
    assert str(told.value) == (
        f"docker-compose up -d --no-deps kafka failed: no space left on device (see {log})"
    )
    assert "step 1" in log.read_text()


def test_compose_is_told_the_ports_of_the_stack(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOLD", str(tmp_path / "told"))
    install("docker", ENGINE)
    install("docker-compose", 'echo "$CENTINELA_KAFKA_PORT $CENTINELA_API_PORT" >"$TOLD"')
    settings = LocalStack(home=tmp_path, kafka_port=1111, api_port=2222)

    docker.Containers(settings, lambda _: None).stop()

    assert (tmp_path / "told").read_text() == "1111 2222\n"


@pytest.fixture
def containers(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[docker.Containers, list[str], Path]:
    """Containers that were launched, what was said of them, and the file of how they are now."""
    monkeypatch.setenv("STATE", str(tmp_path / "state"))
    monkeypatch.setattr(docker, "INSPECT_EVERY_S", 0.0)
    install("docker", 'case "$1" in version) echo 28.0 ;; inspect) /bin/cat "$STATE" ;; esac')
    install("docker-compose", "echo 4711")
    said: list[str] = []
    launched = docker.Containers(LocalStack(home=tmp_path), said.append)
    launched.launch("decision")
    return launched, said, tmp_path / "state"


def test_a_container_that_docker_started_again_is_told_once(
    containers: tuple[docker.Containers, list[str], Path],
) -> None:
    launched, said, state = containers
    for restarts in (0, 1, 1):
        state.write_text(f'{{"name":"/decision_1","status":"running","restarts":{restarts}}}\n')
        launched.check()

    assert said == ["decision_1 ended and was started again by Docker (see docker compose logs)"]


@pytest.mark.parametrize("state", ["exited", None])
def test_containers_that_others_ended_end_the_rest(
    containers: tuple[docker.Containers, list[str], Path], state: str | None
) -> None:
    launched, _, file = containers
    if state:
        file.write_text(f'{{"name":"/decision_1","status":"{state}","restarts":0}}\n')

    with pytest.raises(CannotStart, match="ended by someone else"):
        launched.check()
