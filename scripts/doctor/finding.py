"""What a check has found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a thing is.

    OFF is not there, or not running, and need not be: nothing is wrong.
    """

    OK = "ok"
    OFF = "off"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of what the doctor says.

    Args:
        repair: The command that helps; a failed check has one.
    """

    check: str
    state: State
    line: str
    repair: str = ""

    def __post_init__(self) -> None:
        if self.state is State.FAILED and not self.repair:
            raise ValueError(f"{self.check}: a failed check must name a command that helps")

    def __str__(self) -> str:
        return f"{self.line}; run: {self.repair}" if self.repair else self.line
