"""The installation refuses, in one line, what cannot work."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

OLD = 'echo "Python 3.9.2"; [ "$1" = --version ]'
NO_VENV = """
case "$*" in
  *version_info*) exit 0 ;;
  *ensurepip*) exit 1 ;;
  *) echo "Python 3.12.1" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "install.sh", tmp_path / "scripts")
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    return tmp_path


def install(checkout: Path, python: str) -> tuple[int, str]:
    ended = subprocess.run(
        ["sh", str(checkout / "scripts" / "install.sh")],
        env={"PATH": "/usr/bin:/bin", "PYTHON": python},
        capture_output=True,
        text=True,
    )
    return ended.returncode, ended.stderr


def fake_python(checkout: Path, script: str) -> str:
    python = checkout / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    return str(python)


def test_no_python_is_told(checkout: Path) -> None:
    assert install(checkout, "python-that-is-not-there") == (
        2,
        "centinela: no python-that-is-not-there on PATH: install Python 3.11 or newer\n",
    )


def test_an_old_python_is_told(checkout: Path) -> None:
    code, said = install(checkout, fake_python(checkout, OLD))

    assert code == 2
    assert said.startswith("centinela: Python 3.9.2 is too old: Python 3.11 or newer is needed")


def test_a_python_without_venv_is_told_with_the_package_to_install(checkout: Path) -> None:
    code, said = install(checkout, fake_python(checkout, NO_VENV))

    assert code == 2
    assert "Python 3.12.1 has no venv module: install it (on Debian: apt-get install" in said


def test_what_is_refused_leaves_nothing_behind(checkout: Path) -> None:
    install(checkout, fake_python(checkout, OLD))

    assert not (checkout / ".venv").exists()
