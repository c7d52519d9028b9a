"""A terminal's screen: what stands on it after a program has written, moved and erased."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import groupby

_TOKEN = re.compile(
    r"\x1b\[(?P<numbers>[0-9;]*)(?P<verb>[A-Za-z])"  # what a terminal is told to do
    r"|\x1b\[\?[0-9;]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b."  # what leaves no trace
    r"|(?P<sign>[\r\n\b\t])|(?P<text>[^\x00-\x1f\x7f]+)"
)
_TAB = 8
_RESET = frozenset(("", "0"))

Cell = tuple[str, str]
"""A character, and the colours and weights (SGR) that it was written with."""
BLANK: Cell = (" ", "")


@dataclass(slots=True)
class Screen:
    """As wide as a terminal, and as high as what was written: nothing scrolls off.

    Args:
        width: In columns; longer lines go on in the next row.
    """

    width: int
    rows: list[list[Cell]] = field(default_factory=lambda: [[]])
    row: int = 0
    column: int = 0
    style: str = ""

    def feed(self, written: str) -> None:
        """Do as a terminal would; what it does not understand it leaves out."""
        for token in _TOKEN.finditer(written):
            if token["text"]:
                self._write(token["text"])
            elif token["sign"]:
                self._steer(token["sign"])
            elif token["verb"]:
                self._obey(token["verb"], token["numbers"])

    def lines(self) -> list[str]:
        """The rows with their styles, as text that a terminal would show alike."""
        last = max((at for at, row in enumerate(self.rows) if row), default=-1)
        return [_line(row) for row in self.rows[: last + 1]]

    def text(self) -> str:
        return "\n".join("".join(char for char, _ in row) for row in self.rows)

    def _write(self, text: str) -> None:
        for char in text:
            if self.column == self.width:
                self._to(self.row + 1, 0)
            cells = self.rows[self.row]
            cells.extend([BLANK] * (self.column + 1 - len(cells)))
            cells[self.column] = (char, self.style)
            self.column += 1

    def _steer(self, sign: str) -> None:
        if sign == "\n":
            self._to(self.row + 1, self.column)
        elif sign == "\r":
            self.column = 0
        elif sign == "\b":
            self.column = max(self.column - 1, 0)
        else:
            self.column = min(self.column // _TAB * _TAB + _TAB, self.width - 1)

    def _obey(self, verb: str, numbers: str) -> None:
        count = int(numbers) if numbers.isdigit() else 1
        if verb == "m":
            self.style = "" if numbers in _RESET else f"{self.style}\x1b[{numbers}m"
        elif verb == "A":
            self._to(max(self.row - count, 0), self.column)
        elif verb == "B":
            self._to(self.row + count, self.column)
        elif verb == "G":
            self.column = min(count, self.width) - 1
        elif verb == "K":
            self._erase(numbers)

    def _erase(self, how: str) -> None:
        cells = self.rows[self.row]
        if how == "2":
            cells.clear()
        elif how == "1":
            cells[: self.column + 1] = [BLANK] * min(self.column + 1, len(cells))
        else:
            del cells[self.column :]

    def _to(self, row: int, column: int) -> None:
        self.rows.extend([] for _ in range(row + 1 - len(self.rows)))
        self.row, self.column = row, column


def _line(row: list[Cell]) -> str:
    runs = groupby(row, key=lambda cell: cell[1])
    return "".join(
        f"{style}{''.join(char for char, _ in cells)}{chr(27) + '[0m' if style else ''}"
        for style, cells in runs
    )
