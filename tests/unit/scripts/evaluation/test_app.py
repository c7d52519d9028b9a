"""The commands under `centinela evaluate`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scripts import cli


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("access", "--background", "/no/such.log"), "/no/such.log: no such file"),
        (("bots", "--log", "/no/such.log", "--labels", "x"), "/no/such.log: no such file"),
        (("text", "--train", "/no/such.csv"), "/no/such.csv: No such file or directory"),
    ],
)
def test_a_missing_log_is_one_line(
    arguments: tuple[str, ...],
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["centinela", "evaluate", *arguments])

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == 2
    assert capsys.readouterr().err == f"centinela: {line}\n"


def test_other_commands_do_not_wait_for_what_judges() -> None:
    loaded = "import sys, scripts.cli; print('sklearn' in sys.modules)"

    run = subprocess.run([sys.executable, "-c", loaded], capture_output=True, check=True, text=True)

    assert run.stdout.strip() == "False"
