"""A text model on disk, beside the champion: `text.bin`, `text.json`, nothing that runs."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np

from models.manifests import (
    CHAMPIONS,
    Calibration,
    Training,
    expect,
    read_file,
    read_manifest,
    write_manifest,
)
from models.text_model import SLOTS, TextModel, Weights

FORMAT = 1
WEIGHTS = "text.bin"
MANIFEST = "text.json"
LITTLE_ENDIAN = np.dtype("<i2")


class TextManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a text model is and whether it can be trusted to be it.

    Args:
        version: The pack's name, `text`, and the first 12 hexadecimal digits of the hash of all.
        calibration: Loudness to score.
        metrics: On values simulated apart.
    """

    format: int
    pack: str
    version: str
    weights_sha256: str
    calibration: Calibration
    metrics: dict[str, float]
    training: Training


@dataclass(frozen=True, slots=True)
class TextChampion:
    """A loaded text model with its manifest; safe to share between threads."""

    manifest: TextManifest
    model: TextModel

    @property
    def version(self) -> str:
        return self.manifest.version


def sealed(weights: Weights, manifest: TextManifest) -> TextManifest:
    """The manifest with the hash and the version that weights and content have."""
    stored = _stored(weights)
    manifest = msgspec.structs.replace(
        manifest, version="", weights_sha256=sha256(stored).hexdigest()
    )
    digest = sha256(stored + msgspec.json.encode(manifest, order="sorted")).hexdigest()
    return msgspec.structs.replace(manifest, version=f"{manifest.pack}-text-{digest[:12]}")


def save(folder: Path, weights: Weights, manifest: TextManifest) -> None:
    """Write a text model; equal weights and manifests give equal files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS).write_bytes(_stored(weights))
    write_manifest(folder / MANIFEST, sealed(weights, manifest))


def load(folder: Path, pack: str) -> TextChampion:
    """Raises InvalidArtifact where the files are not those of a text model of this pack."""
    stored, manifest = read_file(folder / WEIGHTS), read_manifest(folder / MANIFEST, TextManifest)
    expect(folder / MANIFEST, "format", FORMAT, manifest.format)
    expect(folder / MANIFEST, "pack", pack, manifest.pack)
    expect(folder / WEIGHTS, "bytes", SLOTS * LITTLE_ENDIAN.itemsize, len(stored))
    expect(folder / WEIGHTS, "sha256", manifest.weights_sha256, sha256(stored).hexdigest())
    weights = np.frombuffer(stored, LITTLE_ENDIAN).astype(np.int16)
    expect(folder / MANIFEST, "version", manifest.version, sealed(weights, manifest).version)
    calibration = manifest.calibration
    return TextChampion(manifest, TextModel(weights, calibration.raw, calibration.score))


def text_champion_of(pack: str, folder: Path | None = None) -> TextChampion:
    """The text model that the pack comes with, or that of a folder.

    Raises:
        InvalidArtifact: The files are not those of a text model of this pack.
    """
    return load(folder or CHAMPIONS / pack, pack)


def _stored(weights: Weights) -> bytes:
    return weights.astype(LITTLE_ENDIAN).tobytes()
