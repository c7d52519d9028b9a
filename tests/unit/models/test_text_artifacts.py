"""A text model on disk: what is written, what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from models.errors import InvalidArtifact
from models.manifests import CHAMPIONS
from models.text_artifacts import MANIFEST, WEIGHTS, load, save, sealed, text_champion_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CHAMPIONS / "access", tmp_path / "access"))


def test_a_loaded_model_saves_to_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    champion = load(folder, "access")
    save(tmp_path / "again", champion.model.weights, champion.manifest)

    for file in (WEIGHTS, MANIFEST):
        assert (tmp_path / "again" / file).read_bytes() == (folder / file).read_bytes()


def test_the_version_names_the_pack_and_follows_from_the_content(folder: Path) -> None:
    champion = load(folder, "access")
    other = champion.model.weights + np.int16(1)

    assert champion.version.startswith("access-text-")
    assert sealed(other, champion.manifest).version != champion.version


@pytest.mark.parametrize("file", [WEIGHTS, MANIFEST])
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()

    with pytest.raises(InvalidArtifact, match=f"{file}: cannot be read"):
        load(folder, "access")


def test_changed_weights_are_refused_with_both_hashes(folder: Path) -> None:
    weights = bytearray((folder / WEIGHTS).read_bytes())
    weights[1000] ^= 1
    (folder / WEIGHTS).write_bytes(weights)

    with pytest.raises(InvalidArtifact, match=r"text.bin: sha256 must be \w{64}, found \w{64}"):
        load(folder, "access")


def test_torn_weights_are_refused_with_both_sizes(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-2])

    with pytest.raises(InvalidArtifact, match=r"text.bin: bytes must be 131072, found 131070"):
        load(folder, "access")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"pack": "access"', '"pack": "fraud"', "pack must be access, found fraud"),
        ('"format": 1', '"format": 2', "format must be 1, found 2"),
        ('"seed": 7', '"seed": 8', "version must be access-text-"),
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
        load(folder, "access")


def test_a_pack_without_a_text_model_says_which_file_is_missing() -> None:
    with pytest.raises(InvalidArtifact, match=r"fraud/text.bin: cannot be read"):
        text_champion_of("fraud")
