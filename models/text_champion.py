"""Makes the text model that a pack comes with: `python -m models.text_champion access`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from feature_store.columns import Floats, TextColumn
from models.catalog import pack_named
from models.errors import InvalidSource
from models.manifests import CHAMPIONS, Calibration, Training
from models.pack import DomainPack
from models.text_artifacts import FORMAT, TextManifest, save, sealed
from models.text_model import VALUE, TextModel, Weights, loudest, value_scores
from models.text_training import calibration, fit_weights

SEED = 7
VALUES = 160_000
CALIBRATED_ON = 40_000
"""Values simulated apart, and as many again to measure on."""
PENALTY = 0.3
OPERATED_AT = 0.99
"""The score at which the metrics are taken."""

LIBRARIES = ("numpy", "scikit-learn", "scipy")


def train(pack: DomainPack, seed: int = SEED, n: int = VALUES) -> tuple[Weights, TextManifest]:
    """Fit on simulated values, calibrate on others, measure on yet others."""
    values, kinds, digest = _simulated(pack, seed, n)
    apart, apart_kinds, _ = _simulated(pack, seed + 1, CALIBRATED_ON)
    weights = fit_weights(values, kinds != "", PENALTY, seed)
    loudness = loudest(apart, weights, VALUE).loudness
    points = calibration(loudness, apart_kinds != "")
    metrics = _metrics(pack, TextModel(weights, *points), seed + 2)
    libraries = {name: version(name) for name in LIBRARIES}
    training = Training(seed, n, n, digest, libraries)
    manifest = TextManifest(FORMAT, pack.name, "", "", Calibration(*points), metrics, training)
    return weights, sealed(weights, manifest)


def _simulated(pack: DomainPack, seed: int, n: int) -> tuple[TextColumn, NDArray[np.str_], str]:
    if pack.values is None:
        raise InvalidSource(f"pack {pack.name} has no text model")
    pairs = list(pack.values(seed, n))
    digest = sha256(msgspec.json.Encoder().encode_lines(pairs)).hexdigest()
    return TextColumn.of([value for value, _ in pairs]), np.array([k for _, k in pairs]), digest


def _metrics(pack: DomainPack, model: TextModel, seed: int) -> dict[str, float]:
    """Share of each kind's values that reach the operating score."""
    values, kinds, _ = _simulated(pack, seed, CALIBRATED_ON)
    score: Floats = value_scores(values, model)
    names = {kind: f"{kind}_found" if kind else "ordinary_found" for kind in np.unique(kinds)}
    return {
        name: round(float((score[kinds == kind] >= OPERATED_AT).mean()), 6)
        for kind, name in names.items()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m models.text_champion", description=__doc__)
    parser.add_argument("pack")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--values", type=int, default=VALUES)
    parser.add_argument("--out", type=Path, help="default: the folder of the shipped champion")
    options = parser.parse_args(arguments)
    pack = pack_named(options.pack)
    weights, manifest = train(pack, options.seed, options.values)
    folder = options.out or CHAMPIONS / pack.name
    save(folder, weights, manifest)
    sys.stdout.write(f"{manifest.version} in {folder}\n")
    for name, value in manifest.metrics.items():
        sys.stdout.write(f"{name:24} {value:.4f}\n")


if __name__ == "__main__":
    main()
