"""How far each file has been replayed, kept on disk, so that a replay can go on where it was."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from xxhash import xxh3_64_hexdigest

from models.errors import InvalidSource

STATE = Path(".centinela/replay")


class Position(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a file's replay stands.

    Args:
        path: Absolute.
        line: All lines up to this one are acknowledged by Kafka.
        fingerprint: Of the file's first line; another one means another file under the name.
        moved_by: Microseconds by which its event times are moved; the rest must move alike.
    """

    path: str
    line: int
    fingerprint: str
    moved_by: int = 0


def load(path: str, state: Path = STATE) -> Position | None:
    """The position saved for a file, by its absolute path; None where there is none.

    Raises:
        InvalidSource: The saved state cannot be read.
    """
    try:
        return msgspec.json.decode(_place(path, state).read_bytes(), type=Position)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise InvalidSource(f"{_place(path, state)}: cannot be read: {error}") from error


def save(position: Position, state: Path = STATE) -> None:
    """Keep a position; a crash leaves the old or the new one."""
    place = _place(position.path, state)
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_suffix(".new")
    draft.write_bytes(msgspec.json.encode(position) + b"\n")
    draft.replace(place)


def _place(path: str, state: Path) -> Path:
    absolute = os.path.abspath(path)
    told_apart = xxh3_64_hexdigest(os.fsencode(absolute))
    return state / f"{os.path.basename(absolute)}-{told_apart}.json"


@dataclass(slots=True)
class Group:
    """Records that hold the lines up to `last_line`; `open` of them are not acknowledged."""

    last_line: int
    open: int
    failed: bool = False


@dataclass(slots=True)
class Watermark:
    """The last line of a file up to which every line is acknowledged.

    Groups of records are opened in line order by one thread and acknowledged in any order by
    another.
    """

    line: int = 0
    _groups: deque[Group] = field(default_factory=deque)

    def opened(self, last_line: int, records: int) -> Group:
        """So many records hold the lines from the last group's up to this one."""
        group = Group(last_line, records)
        self._groups.append(group)
        return group

    def advance(self) -> int:
        """Move over the groups that are acknowledged; a failed record stops it for good."""
        while self._groups and self._groups[0].open == 0 and not self._groups[0].failed:
            self.line = self._groups.popleft().last_line
        return self.line
