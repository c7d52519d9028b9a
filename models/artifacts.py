"""A model on disk: a folder with `model.onnx` and `manifest.json`, nothing that runs on loading."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from feature_store.columns import Columns, Floats
from models import text_artifacts
from models.catalog import pack_named
from models.errors import InvalidArtifact
from models.fused import FusedForest
from models.manifests import (
    CHAMPIONS,
    Calibration,
    Training,
    expect,
    read_file,
    read_manifest,
    write_manifest,
)
from models.pack import DomainPack
from models.text_artifacts import TextChampion
from models.text_model import TextModel

FORMAT = 1
MODEL = "model.onnx"
MANIFEST = "manifest.json"


class Statistics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A feature over the training window, where it was known.

    Args:
        median: Also what an unknown value is replaced with before the model sees it.
    """

    median: float
    p95: float
    p99: float
    max: float


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model is and whether it can be trusted to be it.

    Args:
        version: The pack's name and the first 12 hexadecimal digits of the hash of all else.
        features: What the model sees, in this order.
        statistics: By feature: those the model sees and those that reasons may name.
        metrics: On the events after the training window.
        text: Version of the text model beside it; empty where there is none.
    """

    format: int
    pack: str
    version: str
    model_sha256: str
    features: tuple[str, ...]
    calibration: Calibration
    statistics: dict[str, Statistics]
    metrics: dict[str, float]
    training: Training
    text: str = ""


@dataclass(frozen=True, slots=True)
class Champion:
    """A loaded model; safe to share between threads.

    Args:
        text: The text model beside it; None where there is none.
    """

    manifest: Manifest
    forest: FusedForest
    text: TextModel | None = None

    @property
    def version(self) -> str:
        return self.manifest.version

    def score(self, feature: Columns, event: Columns) -> Floats:
        """How suspicious each event is, in [0, 1], `(n_events,)`.

        0.999 means: more unusual than 99.9 % of the events of the training window.
        """
        calibration = self.manifest.calibration
        raw = self.forest.score(model_rows(self.manifest, feature, event))
        score: Floats = np.interp(raw, calibration.raw, calibration.score)
        return score

    def usual(self, name: str) -> Statistics | None:
        """A feature over the training window; None where it was never known."""
        return self.manifest.statistics.get(name)


def model_rows(manifest: Manifest, feature: Columns, event: Columns) -> NDArray[np.float32]:
    """What the model sees, `(n_events, n_features)`: finite, the unknown replaced by medians."""
    rows = np.empty((len(event), len(manifest.features)), np.float32)
    windowed = set(feature)
    for i, name in enumerate(manifest.features):
        rows[:, i] = getattr(feature if name in windowed else event, name)
    medians = np.array([manifest.statistics[name].median for name in manifest.features], np.float32)
    np.copyto(rows, medians, where=~np.isfinite(rows))
    return rows


def sealed(model: bytes, manifest: Manifest) -> Manifest:
    """The manifest with the version that its content and the model have."""
    unsealed = msgspec.structs.replace(manifest, version="")
    digest = sha256(model + msgspec.json.encode(unsealed, order="sorted")).hexdigest()
    return msgspec.structs.replace(manifest, version=f"{manifest.pack}-{digest[:12]}")


def save(folder: Path, model: bytes, manifest: Manifest, text: TextChampion | None = None) -> None:
    """Write an artifact; equal models and manifests give equal files.

    Args:
        text: The text model that the manifest names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL).write_bytes(model)
    write_manifest(folder / MANIFEST, sealed(model, manifest))
    if text is not None:
        text_artifacts.save(folder, text.model.weights, text.manifest)


def load(folder: Path, pack: DomainPack) -> Champion:
    """Raises InvalidArtifact where the files are not those of an artifact of this pack."""
    model, manifest = read_file(folder / MODEL), read_manifest(folder / MANIFEST, Manifest)
    expect(folder / MANIFEST, "format", FORMAT, manifest.format)
    expect(folder / MANIFEST, "pack", pack.name, manifest.pack)
    expect(folder / MODEL, "sha256", manifest.model_sha256, sha256(model).hexdigest())
    expect(folder / MANIFEST, "version", manifest.version, sealed(model, manifest).version)
    known = {*pack.model_features, *pack.features.names}
    for name in manifest.features:
        if name not in known or name not in manifest.statistics:
            raise InvalidArtifact(f"{folder / MANIFEST}: pack {pack.name} has no feature {name!r}")
    champion = opened(model, manifest, _text(folder, manifest))
    expect(folder / MANIFEST, "features", champion.forest.features, len(manifest.features))
    return champion


def opened(model: bytes, manifest: Manifest, text: TextChampion | None) -> Champion:
    """A champion that is not on disk yet."""
    return Champion(manifest, FusedForest(model), text.model if text else None)


def champion_of(pack: str, folder: Path | None = None) -> Champion:
    """The champion of the pack so named: the one that it comes with, or that of a folder.

    Raises:
        InvalidArtifact: The files are not those of an artifact of this pack.
        InvalidSource: There is no such pack.
    """
    return load(folder or CHAMPIONS / pack, pack_named(pack))


def _text(folder: Path, manifest: Manifest) -> TextChampion | None:
    if not manifest.text:
        return None
    text = text_artifacts.load(folder, manifest.pack)
    expect(folder / text_artifacts.MANIFEST, "version", manifest.text, text.version)
    return text
