"""The commands as they are typed, as far as they need no Kafka."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from producer import replay, simulate
from producer.exits import Exit

LINE = '203.0.113.7 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 5'


def run(*arguments: str) -> Result:
    return CliRunner().invoke(replay.app, arguments)


@pytest.fixture
def log(tmp_path: Path) -> str:
    path = tmp_path / "access.log"
    path.write_text(f"{LINE}\n\nnonsense\nmore nonsense\n{LINE}\n")
    return str(path)


def test_a_dry_run_counts_and_shows_a_sample(log: str) -> None:
    told = run(log, "--dry-run")

    counts, sample = told.stdout.splitlines()
    assert told.exit_code == 0
    assert counts == "read 4 = accepted 2 + rejected 2"
    assert json.loads(sample)["client_ip"] == "203.0.113.7"
    assert told.stderr == (
        "rejected 2: not an access-log line: there is no [time] (first at access.log:3)\n"
    )


def test_a_dry_run_as_json(log: str) -> None:
    told = json.loads(run(log, "--dry-run", "-o", "json").stdout.splitlines()[-1])

    assert (told["read"], told["accepted"], told["rejected"]) == (4, 2, 2)
    assert told["reasons"] == {"not an access-log line: there is no [time]": 2}
    assert told["sample"]["path"] == "/a"


def test_quiet_says_nothing(log: str) -> None:
    assert run(log, "--dry-run", "--quiet").stderr == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.log"], "replay: gone.log: no such file"),
        (["{log}", "{log}"], "access.log: must be given once"),
        (["{log}", "--rate", "1", "--speed", "2x"], "replay: --rate and --speed: must not be"),
        (["{log}", "--shift-to", "later"], "replay: --shift-to: must be `now` or a time"),
        (["{log}", "--map", "x=y"], "replay: --map: 'x' is no field; the fields are"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(
    log: str, arguments: list[str], message: str
) -> None:
    told = run(*(argument.replace("{log}", log) for argument in arguments))

    assert told.exit_code == 2
    assert message in told.stderr
    assert told.stderr.count("\n") == 1


def test_kafka_that_does_not_answer_is_named(log: str) -> None:
    told = run(log, "--kafka", "127.0.0.1:9")

    assert told.exit_code == Exit.UNAVAILABLE
    assert told.stderr == "replay: Kafka at 127.0.0.1:9: no answer within 5 s\n"


def test_simulated_traffic_is_the_same_for_the_same_seed_and_can_be_replayed(
    tmp_path: Path,
) -> None:
    first, second = tmp_path / "a.ndjson", tmp_path / "b.ndjson"
    for path in (first, second):
        CliRunner().invoke(simulate.app, ["access", "--events", "500", "--to", str(path)])

    events = [json.loads(line) for line in first.read_bytes().splitlines()]
    told = run(str(first), "--dry-run")

    assert first.read_bytes() == second.read_bytes()
    assert {event["label"] for event in events} == {0, 1}
    assert "read 500 = accepted 500 + rejected 0" in told.stdout


def test_simulated_traffic_can_end_at_a_time_given(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    CliRunner().invoke(
        simulate.app, ["access", "--events", "50", "--to", str(path), "--shift-to", "2026-01-01"]
    )

    last = json.loads(path.read_bytes().splitlines()[-1])
    assert last["occurred_at"] == "2026-01-01T00:00:00.000Z"


def test_an_unknown_pack_is_named() -> None:
    told = CliRunner().invoke(simulate.app, ["acces"])

    assert told.exit_code == 2
    assert told.stderr == "simulate: pack: there is none named 'acces'\n"
