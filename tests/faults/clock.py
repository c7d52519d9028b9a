"""A wall clock that can be moved under running processes, without touching the machine's."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")


@dataclass(frozen=True, slots=True)
class Clock:
    """What processes see as the time of day, ahead of the true one by `move_to`.

    Args:
        environment: Of the processes whose clock this is.
    """

    offset: Path
    environment: Mapping[str, str]

    def move_to(self, ahead_s: int) -> None:
        """Step the clock to so many seconds ahead of the true time, or behind."""
        with self.offset.open("r+b") as file:
            file.write(struct.pack("=q", ahead_s))


def clock(folder: Path) -> Clock | None:
    """A clock that shows the true time; None where no C compiler is to be had."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    library, offset = folder / "clock.so", folder / "clock-offset"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True, timeout=60)
    offset.write_bytes(bytes(8))
    return Clock(offset, {"LD_PRELOAD": str(library), "FAULT_CLOCK": str(offset)})
