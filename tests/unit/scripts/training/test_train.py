"""`centinela train` on small data: what is written, what is shown, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from models.artifacts import load
from models.packs.access import PACK
from models.packs.access.data import combined_line
from producer.simulate import app as simulate
from scripts import cli

SEED, EVENTS = "5", "3000"


class Train:
    """The command in this process, its artifact in a folder of the test's own."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *options: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        command = ["centinela", "train", "access", "--out", str(self.folder / "model"), *options]
        self._monkeypatch.setattr("sys.argv", command)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = self._capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    def told(self, *options: str) -> Any:  # whatever JSON holds
        code, out, err = self(*options, "-o", "json")
        assert (code, err) == (0, "")
        return json.loads(out)


@pytest.fixture
def train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Train:
    return Train(tmp_path, monkeypatch, capsys)


@pytest.fixture(scope="session")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated events with their labels, as NDJSON."""
    file = tmp_path_factory.mktemp("traffic") / "traffic.ndjson"
    ended = CliRunner().invoke(simulate, ["--seed", SEED, "--events", EVENTS, "--to", str(file)])
    assert ended.exit_code == 0
    return file


def test_the_simulators_model_can_be_served_and_says_where_it_comes_from(train: Train) -> None:
    told = train.told("--seed", SEED, "--events", EVENTS)
    champion = load(train.folder / "model", PACK)

    assert champion.version == told["manifest"]["version"]
    assert told["windows"] == {"train": 1_800, "validation": 600, "test": 600}
    assert told["metrics"].keys() == {"validation", "test"}
    assert told["source"] == "simulator"


def test_a_log_without_labels_is_learned_from_and_nothing_is_made_up(train: Train) -> None:
    log = train.folder / "site.log"
    lines = [combined_line(event) for event, _ in PACK.simulate(int(SEED), 1_000)]
    log.write_text("\n".join([*lines, "nonsense"]))
    told = train.told("--from", str(log))

    assert (told["source"], told["unreadable"]) == ("site.log", 1)
    assert told["metrics"]["test"].keys() == {"entities_blocked", "entities_touched"}
    assert told["manifest"]["training"]["events"] == 1_000


def test_labels_give_figures_before_and_after_and_into_the_artifact(
    train: Train, traffic: Path
) -> None:
    told = train.told("--from", str(traffic), "--labels", str(traffic))
    metrics = load(train.folder / "model", PACK).manifest.metrics

    for window in ("validation", "test"):
        assert told["metrics"][window]["pr_auc"] > told["untuned"][window]["pr_auc"]
    assert metrics["pr_auc"] > metrics["untuned_pr_auc"]
    assert told["manifest"]["training"]["labelled"] == 1_800


def test_lines_name_events_of_a_single_log(train: Train, traffic: Path) -> None:
    labels = train.folder / "labels.csv"
    truth = [json.loads(line).get("label", 0) for line in traffic.read_text().splitlines()]
    labels.write_text("line,label\n" + "".join(f"{i},{x}\n" for i, x in enumerate(truth, 1)))

    assert train.told("--from", str(traffic), "--labels", str(labels))["untuned"] is not None


def test_too_few_labels_are_refused_in_one_line_and_nothing_is_written(
    train: Train, traffic: Path
) -> None:
    labels = train.folder / "labels.ndjson"
    labels.write_text("\n".join(traffic.read_text().splitlines()[:150]))
    code, _, said = train("--from", str(traffic), "--labels", str(labels))

    assert code == 2
    assert said == (
        "centinela: labels: at least 10% of the events must have one, got 5.0% (150 of 3,000)\n"
    )
    assert not (train.folder / "model").exists()


def test_lines_of_several_logs_are_refused(train: Train, traffic: Path) -> None:
    labels, copy = train.folder / "labels.csv", train.folder / "copy.ndjson"
    labels.write_text("line,label\n1,0\n")
    copy.write_bytes(traffic.read_bytes())
    code, _, said = train("--from", str(traffic), "--from", str(copy), "--labels", str(labels))

    assert code == 2
    assert "lines are those of a single log" in said


def test_candidates_are_a_table(train: Train) -> None:
    code, shown, _ = train("--seed", SEED, "--events", "1000", "--candidates")

    assert code == 0
    for name in ("isolation forest, 64 trees", "half-space trees", "Gaussian mixture"):
        assert any(line.startswith(f"│ {name}") for line in shown.splitlines())


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--from", "absent.log"), "absent.log: no such file"),
        (("--labels", "absent.csv"), "absent.csv: cannot be read"),
        (("--out", "/dev/null/model", "--events", "300"), "/dev/null/model: cannot be written"),
    ],
)
def test_what_cannot_be_used_is_one_line(train: Train, options: tuple[str, ...], line: str) -> None:
    code, _, said = train(*options)

    assert code == 2
    assert said.startswith(f"centinela: {line}")
    assert said.count("\n") == 1


def test_the_same_command_writes_the_same_bytes(train: Train) -> None:
    train.told("--seed", SEED, "--events", "1000")
    first = {file.name: file.read_bytes() for file in (train.folder / "model").iterdir()}
    train.told("--seed", SEED, "--events", "1000")

    assert first == {file.name: file.read_bytes() for file in (train.folder / "model").iterdir()}
