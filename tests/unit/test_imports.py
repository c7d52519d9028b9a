"""Who may import whom: the house keeps its order by this test alone."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

ORDER = ("feature_store", "models", "producer", "stream_agents", "api", "scripts")
"""Imports point left only."""

CLIENTS = {
    "faust": (
        "stream_agents/consumer.py",
        "stream_agents/rim.py",
        "stream_agents/lane.py",
        "stream_agents/ingestion.py",
        "stream_agents/decision.py",
        "scripts/bench/contenders/faust_take/",
    ),
    "psycopg": ("stream_agents/postgres.py",),
    "redis": ("feature_store/online.py", "stream_agents/results.py", "scripts/bench/"),
    "confluent_kafka": ("producer/", "scripts/bench/"),
    "aiokafka": ("producer/async_publisher.py", "stream_agents/rim.py"),
}
"""The only files that may import each server's client library."""

WITHOUT_FAUST = (
    *("engine", "worker", "stage", "memory", "embedded", "results", "lines", "outcomes", "warm"),
    *("recording", "postgres", "postgres_records", "postgres_history", "recalled", "forgetting"),
    *("kept", "keeping", "explanation", "explaining", "searching", "rederivation", "sighting"),
)
"""Of stream_agents: these run, and are tested and simulated, without a server."""

FORBIDDEN_NAMES = {"utils", "helpers", "common", "base", "manager"}

FILES = sorted(
    file.relative_to(ROOT).as_posix() for folder in ORDER for file in (ROOT / folder).rglob("*.py")
)


def imported_by(file: str) -> Iterator[str]:
    """Each module a file imports, in its functions too."""
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            yield str(node.module)


@pytest.mark.parametrize("file", FILES)
def test_imports_point_left(file: str) -> None:
    own = ORDER.index(file.partition("/")[0])
    packages = {module.partition(".")[0] for module in imported_by(file)}

    assert packages.isdisjoint(ORDER[own + 1 :])


@pytest.mark.parametrize("client", sorted(CLIENTS))
def test_only_the_rims_import_a_servers_client(client: str) -> None:
    importing = [
        file
        for file in FILES
        if client in {module.partition(".")[0] for module in imported_by(file)}
    ]

    assert [file for file in importing if not file.startswith(CLIENTS[client])] == []


@pytest.mark.parametrize("name", WITHOUT_FAUST)
def test_engine_and_loop_know_no_faust(name: str) -> None:
    file = f"stream_agents/{name}.py"
    if file not in FILES:
        pytest.skip(f"no {file}")

    assert not any(module.partition(".")[0] == "faust" for module in imported_by(file))


@pytest.mark.parametrize(
    "process",
    ["api.wiring", "stream_agents.ingestion", "stream_agents.decision", "scripts.demonstration"],
)
def test_a_process_loads_nothing_that_only_makes_or_reads_history(process: str) -> None:
    """The image leaves the first three out; the others take a second and 70 MB to load."""
    unwanted = {"sklearn", "joblib", "onnxruntime", "pandas", "pyarrow"}
    loaded = f"import sys, {process}; print(*{unwanted} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True)

    assert (told.returncode, told.stdout) == (0, "\n"), told.stderr


def test_packages_resolve_to_this_checkout() -> None:
    for package in ORDER:
        found = importlib.util.find_spec(package)

        assert found is not None
        assert Path(str(found.origin)).parent == ROOT / package


def test_no_file_is_a_drawer_for_everything() -> None:
    assert [file for file in FILES if Path(file).stem in FORBIDDEN_NAMES] == []


def test_only_a_packs_init_holds_anything() -> None:
    full = [
        file
        for file in FILES
        if Path(file).name == "__init__.py" and (ROOT / file).read_text().strip()
    ]

    assert [file for file in full if not file.startswith("models/packs/")] == []
