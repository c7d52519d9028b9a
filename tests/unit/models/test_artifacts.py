"""An artifact on disk: what is written, what is refused, and how a loaded one scores."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from feature_store.columns import Columns
from models import text_artifacts
from models.artifacts import (
    MANIFEST,
    MODEL,
    Champion,
    champion_of,
    load,
    model_rows,
    save,
    sealed,
)
from models.errors import InvalidArtifact, InvalidSource
from models.manifests import CHAMPIONS
from models.packs.access import PACK


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CHAMPIONS / "access", tmp_path / "access"))


def columns_of(champion: Champion, rows: list[list[float]]) -> tuple[Columns, Columns]:
    """Feature and event columns with these values in the model's features."""
    matrix = np.array(rows, np.float64).reshape(-1, len(champion.manifest.features))
    return Columns.of_matrix(champion.manifest.features, matrix), Columns({}, len(matrix))


def rows_of(champion: Champion, n: int) -> list[list[float]]:
    statistics = [champion.manifest.statistics[name] for name in champion.manifest.features]
    scale = np.array([max(each.max, 1.0) for each in statistics])
    rows: list[list[float]] = (
        np.random.default_rng(1).random((n, len(scale))) ** 3 * scale
    ).tolist()
    return rows


def test_a_loaded_artifact_saves_to_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    manifest = load(folder, PACK).manifest
    save(tmp_path / "again", (folder / MODEL).read_bytes(), manifest)

    assert (tmp_path / "again" / MANIFEST).read_bytes() == (folder / MANIFEST).read_bytes()


def test_the_version_names_the_pack_and_follows_from_the_content(folder: Path) -> None:
    manifest = load(folder, PACK).manifest

    assert manifest.version.startswith("access-")
    assert sealed(b"another model", manifest).version != manifest.version


@pytest.mark.parametrize("file", [MODEL, MANIFEST])
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()

    with pytest.raises(InvalidArtifact, match=f"{file}: cannot be read"):
        load(folder, PACK)


def test_a_changed_model_is_refused_with_both_hashes(folder: Path) -> None:
    model = folder / MODEL
    model.write_bytes(model.read_bytes() + b" ")

    with pytest.raises(InvalidArtifact, match=r"model.onnx: sha256 must be \w{64}, found \w{64}"):
        load(folder, PACK)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"pack": "access"', '"pack": "fraud"', "pack must be access, found fraud"),
        ('"format": 1', '"format": 2', "format must be 1, found 2"),
        ('"seed": 7', '"seed": 8', "version must be access-"),
        ('"seed": 7', '"seed": "x"', "is not a manifest"),
        ('"seed": 7', '"unknown": 7', "is not a manifest"),
    ],
)
def test_a_changed_manifest_is_refused(folder: Path, old: str, new: str, message: str) -> None:
    manifest = folder / MANIFEST
    text = manifest.read_text()
    assert old in text
    manifest.write_text(text.replace(old, new))

    with pytest.raises(InvalidArtifact, match=message):
        load(folder, PACK)


def test_a_feature_that_the_pack_has_not_is_refused(folder: Path) -> None:
    manifest = load(folder, PACK).manifest
    save(folder, (folder / MODEL).read_bytes(), replace(manifest, features=("shoe_size",)))

    with pytest.raises(InvalidArtifact, match="pack access has no feature 'shoe_size'"):
        load(folder, PACK)


@pytest.mark.parametrize("change", [lambda names: names[1:], lambda names: (*names, names[0])])
def test_a_model_of_another_number_of_features_is_refused(
    folder: Path, tmp_path: Path, change: Callable[[tuple[str, ...]], tuple[str, ...]]
) -> None:
    """Sealed as it is, only the first event would have shown it."""
    champion = load(folder, PACK)
    changed = replace(champion.manifest, features=change(champion.manifest.features))
    shutil.copytree(folder, tmp_path / "other")
    save(tmp_path / "other", (folder / MODEL).read_bytes(), changed)

    with pytest.raises(InvalidArtifact, match=r"manifest.json: features must be 22, found 2[13]"):
        load(tmp_path / "other", PACK)


def test_a_missing_or_another_text_model_is_refused(folder: Path) -> None:
    text = folder / text_artifacts.MANIFEST
    other = text_artifacts.load(folder, "access")
    text_artifacts.save(folder, other.model.weights, replace(other.manifest, metrics={}))

    with pytest.raises(InvalidArtifact, match=r"text.json: version must be access-text-\w{12}, fo"):
        load(folder, PACK)
    text.unlink()
    with pytest.raises(InvalidArtifact, match="text.json: cannot be read"):
        load(folder, PACK)


def test_an_artifact_that_names_no_text_model_needs_none(folder: Path, tmp_path: Path) -> None:
    loaded = load(folder, PACK)
    save(tmp_path / "mute", (folder / MODEL).read_bytes(), replace(loaded.manifest, text=""))

    mute = load(tmp_path / "mute", PACK)

    assert mute.text is None
    assert mute.version != loaded.version


def test_a_saved_artifact_brings_its_text_model(folder: Path, tmp_path: Path) -> None:
    text = text_artifacts.load(folder, "access")
    save(tmp_path / "whole", (folder / MODEL).read_bytes(), load(folder, PACK).manifest, text)

    assert load(tmp_path / "whole", PACK).version == load(folder, PACK).version


def test_an_unknown_pack_has_no_champion() -> None:
    with pytest.raises(InvalidSource, match="pack must be one of access, got 'acess'"):
        champion_of("acess")


def test_scores_are_in_the_unit_interval_and_no_row_touches_another(champion: Champion) -> None:
    rows = rows_of(champion, 250)
    whole = champion.score(*columns_of(champion, rows))
    alone = [champion.score(*columns_of(champion, [row]))[0] for row in rows]

    assert ((whole >= 0) & (whole <= 1)).all()
    np.testing.assert_array_equal(whole, alone)


def test_scores_grow_with_the_raw_score(champion: Champion) -> None:
    columns = columns_of(champion, rows_of(champion, 250))
    raw = champion.forest.score(model_rows(champion.manifest, *columns))

    assert (np.diff(champion.score(*columns)[np.argsort(raw)]) >= 0).all()


@pytest.mark.parametrize("unknown", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_judged_as_the_usual(champion: Champion, unknown: float) -> None:
    medians = [champion.manifest.statistics[name].median for name in champion.manifest.features]
    blank = [unknown] * len(medians)

    first, second = champion.score(*columns_of(champion, [medians, blank]))
    assert first == second


def test_no_events_have_no_scores(champion: Champion) -> None:
    assert champion.score(*columns_of(champion, [])).shape == (0,)


def test_the_usual_of_a_feature_is_that_of_the_training_window(champion: Champion) -> None:
    usual = champion.usual("client_requests_count_1m")

    assert usual is not None
    assert 1 <= usual.median <= usual.p95 <= usual.p99 <= usual.max
    assert champion.usual("shoe_size") is None
