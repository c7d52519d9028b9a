"""A model on disk: a folder with `model.onnx` and `manifest.json`, nothing that runs on loading."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from feature_store.columns import Columns, Floats
from models.catalog import pack_named
from models.errors import InvalidArtifact
from models.forest import FusedForest
from models.pack import DomainPack

FORMAT = 1
MODEL = "model.onnx"
MANIFEST = "manifest.json"
CHAMPIONS = Path(__file__).parent / "champions"
"""The models that the packs come with, one folder each."""


class Statistics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A feature over the training window, where it was known.

    Args:
        median: Also what an unknown value is replaced with before the model sees it.
    """

    median: float
    p95: float
    p99: float
    max: float


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Raw score to the share of the training window below it, linear between the points."""

    raw: tuple[float, ...]
    score: tuple[float, ...]


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a model was made from.

    Args:
        seed: Of the simulator and of the fit.
        events: How many there were.
        trained_on: How many of them, the earliest, were fitted and calibrated on.
        data_sha256: Of the events as NDJSON, by event time.
        libraries: Name to version of those that decide the bytes.
        source: What was read: the simulator, the names of files, or a topic.
        trained_from: Time of the first event that was fitted on; absent for the simulator.
        trained_until: Time of the last one, likewise.
        labelled: How many of those were given a label to learn from.
    """

    seed: int
    events: int
    trained_on: int
    data_sha256: str
    libraries: dict[str, str]
    source: str = "simulator"
    trained_from: str = ""
    trained_until: str = ""
    labelled: int = 0


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model is and whether it can be trusted to be it.

    Args:
        version: The pack's name and the first 12 hexadecimal digits of the hash of all else.
        features: What the model sees, in this order.
        statistics: By feature: those the model sees and those that reasons may name.
        metrics: On the events after the training window.
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


@dataclass(frozen=True, slots=True)
class Champion:
    """A loaded model; safe to share between threads."""

    manifest: Manifest
    forest: FusedForest

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


def save(folder: Path, model: bytes, manifest: Manifest) -> None:
    """Write an artifact; equal models and manifests give equal files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL).write_bytes(model)
    encoded = msgspec.json.encode(sealed(model, manifest), order="sorted")
    (folder / MANIFEST).write_bytes(msgspec.json.format(encoded, indent=1) + b"\n")


def load(folder: Path, pack: DomainPack) -> Champion:
    """Raises InvalidArtifact where the files are not those of an artifact of this pack."""
    model, manifest = _read(folder / MODEL), _manifest(folder / MANIFEST)
    _expect(folder / MANIFEST, "format", FORMAT, manifest.format)
    _expect(folder / MANIFEST, "pack", pack.name, manifest.pack)
    _expect(folder / MODEL, "sha256", manifest.model_sha256, sha256(model).hexdigest())
    _expect(folder / MANIFEST, "version", manifest.version, sealed(model, manifest).version)
    known = {*pack.model_features, *pack.features.names}
    for name in manifest.features:
        if name not in known or name not in manifest.statistics:
            raise InvalidArtifact(f"{folder / MANIFEST}: pack {pack.name} has no feature {name!r}")
    return Champion(manifest, FusedForest(model))


def champion_of(pack: str, folder: Path | None = None) -> Champion:
    """The champion of the pack so named: the one that it comes with, or that of a folder.

    Raises:
        InvalidArtifact: The files are not those of an artifact of this pack.
        InvalidSource: There is no such pack.
    """
    return load(folder or CHAMPIONS / pack, pack_named(pack))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidArtifact(f"{file}: cannot be read: {error.strerror}") from error


def _manifest(file: Path) -> Manifest:
    try:
        return msgspec.json.decode(_read(file), type=Manifest)
    except (msgspec.MsgspecError, ValueError) as error:
        raise InvalidArtifact(f"{file}: is not a manifest: {error}") from error


def _expect(file: Path, what: str, expected: object, found: object) -> None:
    if found != expected:
        raise InvalidArtifact(f"{file}: {what} must be {expected}, found {found}")
