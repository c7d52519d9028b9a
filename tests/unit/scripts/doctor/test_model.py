"""What the doctor says about the model and the compiled kernels."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from feature_store import kernel
from models.artifacts import champion_of
from models.manifests import CHAMPIONS
from scripts.doctor.finding import State
from scripts.doctor.model import champion, cold, kernels


def test_the_shipped_model_is_what_its_manifest_says() -> None:
    found = champion(lambda: champion_of("access").version, None)

    assert found.state is State.OK
    assert found.line.startswith("access-")


def test_a_model_that_was_changed_is_told_with_the_hash_that_it_should_have(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(CHAMPIONS / "access", folder)
    with (folder / "model.onnx").open("ab") as model:
        model.write(b"x")

    found = champion(lambda: champion_of("access", folder).version, folder)

    assert (found.state, found.repair) == (State.FAILED, "unset CENTINELA_CHAMPION")
    assert "sha256 must be" in found.line


def test_a_shipped_model_that_is_missing_comes_back_with_git(tmp_path: Path) -> None:
    found = champion(lambda: champion_of("access", tmp_path).version, None)

    assert (found.state, found.repair) == (State.FAILED, "git checkout models/champions")


def test_a_pack_that_there_is_not_is_told() -> None:
    found = champion(lambda: champion_of("nope").version, None)

    assert (found.state, found.repair) == (State.FAILED, "unset CENTINELA_PACK")


@pytest.mark.parametrize(("missing", "state"), [([], State.OK), (["a"], State.WARNING)])
def test_cold_kernels_are_a_warning(missing: list[str], state: State) -> None:
    assert kernels(missing).state is state


def test_a_kernel_whose_cache_is_of_other_sources_is_cold(monkeypatch: pytest.MonkeyPatch) -> None:
    dispatcher = kernel.fold_events
    monkeypatch.setattr(dispatcher._cache._cache_file, "_source_stamp", "changed")  # type: ignore[attr-defined]

    assert "feature_store.kernel.fold_events" in cold([kernel])


def test_only_our_own_modules_are_looked_at() -> None:
    stranger = ModuleType("elsewhere")
    stranger.fold_events = kernel.fold_events  # type: ignore[attr-defined]

    assert cold([stranger, sys.modules["json"]]) == []
