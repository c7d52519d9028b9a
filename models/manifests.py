"""What stands beside a model on disk: what it is, what it was made from, and how it is checked."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from models.errors import InvalidArtifact

CHAMPIONS = Path(__file__).parent / "champions"
"""The models that the packs come with, one folder each."""

T = TypeVar("T", bound=msgspec.Struct)


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


def read_file(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidArtifact(f"{file}: cannot be read: {error.strerror}") from error


def read_manifest(file: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(read_file(file), type=kind)
    except (msgspec.MsgspecError, ValueError) as error:
        raise InvalidArtifact(f"{file}: is not a manifest: {error}") from error


def write_manifest(file: Path, manifest: msgspec.Struct) -> None:
    """Equal manifests give equal files."""
    encoded = msgspec.json.encode(manifest, order="sorted")
    file.write_bytes(msgspec.json.format(encoded, indent=1) + b"\n")


def expect(file: Path, what: str, expected: object, found: object) -> None:
    if found != expected:
        raise InvalidArtifact(f"{file}: {what} must be {expected}, found {found}")
