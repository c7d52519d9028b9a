"""What is found on this machine, what is fetched, and what is said where neither works."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.stack import native, software
from scripts.stack.settings import CannotStart, LocalStack
from scripts.stack.software import NotToBeHad
from scripts.stack.supervisor import Supervisor


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty PATH, an empty folder for downloads, and no way to fetch a package."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setattr(software, "SOFTWARE", tmp_path / "software")
    monkeypatch.setattr(software, "JARS", tmp_path / "software" / "kafka" / "libs")
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def program(path: Path, name: str, says: str) -> str:
    file = path / name
    file.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    file.chmod(0o755)
    return str(file)


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "25.0.2" 2026-01-20 LTS', 25),
        ('openjdk version "21" 2023-09-19', 21),
        ('java version "1.8.0_412"', 8),
        ("The operation could not be completed", None),
    ],
)
def test_java_versions_are_read(path: Path, says: str, version: int | None) -> None:
    assert software.java_version(program(path, "java", says)) == version


def test_a_new_enough_java_is_taken(path: Path) -> None:
    java = program(path, "java", 'openjdk version "17.0.15"')

    assert software.java() == java


def test_an_old_java_is_named_where_none_can_be_fetched(path: Path) -> None:
    program(path, "java", 'openjdk version "11.0.22"')

    with pytest.raises(CannotStart, match=r"java on PATH is version 11, and none could be fetched"):
        software.java()


def test_no_java_is_told_with_the_package_to_install(path: Path) -> None:
    with pytest.raises(CannotStart, match=r"no java on PATH.*apt-get install openjdk-17-jre"):
        software.java()


def test_no_maven_is_told(path: Path) -> None:
    with pytest.raises(CannotStart, match=r"there is no mvn on PATH.*apt-get install maven"):
        software.kafka_jars("/usr/bin/java")


def test_no_maven_is_told_before_anything_is_fetched_or_started(path: Path, tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "run", lambda _: None)

    with pytest.raises(NotToBeHad, match=r"there is no mvn on PATH"):
        native.launch(LocalStack(home=tmp_path), supervisor)

    assert supervisor.running == ()
    assert not (tmp_path / "software").exists()


def test_what_maven_says_is_told_and_leaves_no_jars(path: Path) -> None:
    (path / "mvn").write_text("#!/bin/sh\necho '[ERROR] Unknown host repo'\nexit 1\n")
    (path / "mvn").chmod(0o755)

    with pytest.raises(CannotStart, match=r"Maven could not fetch Kafka's jars: \[ERROR\] Unknown"):
        software.kafka_jars("/usr/bin/java")
    assert not software.JARS.exists()


@pytest.mark.parametrize(
    ("version", "taken"), [("7.0.15", True), ("6.2.0", True), ("6.0.16", False)]
)
def test_a_redis_is_taken_from_6_2_on(path: Path, version: str, taken: bool) -> None:
    redis = program(path, "redis-server", f"Redis server v={version} sha=00000000:0")

    if taken:
        assert software.redis_server() == redis
    else:
        with pytest.raises(CannotStart, match=r"redis-server on PATH is version 6\.0, and none"):
            software.redis_server()
