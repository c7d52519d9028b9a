"""What a training is asked to do; light, since every command of the CLI imports it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.errors import InvalidSource

SIMULATOR, TOPIC = "simulator", "topic"


@dataclass(frozen=True, slots=True)
class Request:
    """The options of `centinela train`; None and empty where they were not given.

    Raises:
        InvalidSource: Two options do not go together.
    """

    pack: str = "access"
    sources: tuple[str, ...] = (SIMULATOR,)
    seed: int | None = None
    events: int | None = None
    out: Path | None = None
    candidates: bool = False
    labels: Path | None = None
    kafka: str = ""

    def __post_init__(self) -> None:
        named = sorted({SIMULATOR, TOPIC}.intersection(self.sources))
        if named and len(self.sources) > 1:
            raise InvalidSource(f"--from: {named[0]} must stand alone, got {self.sources}")
        for source in self.sources:
            if self.sources.count(source) > 1:
                raise InvalidSource(f"--from: {source} must be given once")
        if self.events is not None and self.sources != (SIMULATOR,):
            raise InvalidSource("--events: goes with --from simulator alone; others give all")
        if self.out is None and not self.is_shipped:
            raise InvalidSource("--out: must be given for any but the shipped model")

    @property
    def is_shipped(self) -> bool:
        """Whether the model is the one that the pack comes with."""
        plain = self.seed is None and self.events is None and self.labels is None
        return plain and self.sources == (SIMULATOR,)
