"""Where a text stops being JSON: the pointer of the value that is broken, and why in words.

The decoder says at which byte it stopped, or less; a pointer is what a person can look up. Only
broken texts are walked through here, and only so far.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from api.faults import FIELD, Fault

MOST_TOKENS = 20_000
"""About 20 ms; what is broken further on is told by its byte alone."""
MOST_STEPS = 8
"""Of a pointer: what is nested deeper is told by its outermost steps."""

TOKEN = re.compile(
    rb"[ \t\n\r]*+(?:"
    rb'(?P<text>"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+")'
    rb"|(?P<number>-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?)"
    rb"|(?P<word>true|false|null)"
    rb"|(?P<mark>[\[\]{},:]))"
)
PAIRED = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
SURROGATE = re.compile(rb"(?<!\\)(?:\\\\)*+\\u[dD][89a-fA-F]")
STOPPED = re.compile(r"(?:JSON is malformed: )?(.{1,60}) \(byte ([0-9]+)\)")


@dataclass(slots=True)
class Level:
    """An open list or object, and where in it the walk stands: an index, a name, or before one."""

    is_object: bool
    step: str | None = None
    index: int = 0

    @property
    def name(self) -> str | None:
        return self.step if self.is_object else str(self.index)


@dataclass(slots=True)
class Walk:
    """The way to where a text breaks.

    Args:
        why: What is wrong with the text or number that ended the walk, if that is known.
        is_complete: Whether it ended there, rather than by its length.
    """

    levels: list[Level] = field(default_factory=list)
    was_list: bool = False
    why: str = ""
    is_complete: bool = True

    def pass_by(self, kind: str, token: bytes) -> None:
        top = self.levels[-1] if self.levels else None
        if token in b"[{":
            self.was_list = self.was_list or (top is None and token == b"[")
            self.levels.append(Level(token == b"{"))
        elif token in b"]}":
            self.levels[-1:] = []
        elif token == b"," and top is not None:
            top.step, top.index = None, top.index + 1
        elif kind == "text" and top is not None and top.is_object and top.step is None:
            top.step = token[1:-1].decode()


def broken(text: bytes, error: Exception, at: str | None = None) -> Fault:
    """Why a text is not JSON, and where.

    Args:
        error: What the decoder raised.
        at: The pointer of the text itself; for a whole batch, whose list may be bare, None.
    """
    stopped = STOPPED.fullmatch(str(error))
    deepest = MOST_STEPS if isinstance(error, RecursionError) else len(text)
    walk = walked(text, int(stopped[2]) if stopped else len(text), deepest)
    if isinstance(error, RecursionError):
        why = "nested too deeply"
    elif isinstance(error, UnicodeDecodeError):
        why = "not UTF-8"
    else:
        why = walk.why or (f"{stopped[1]} at byte {stopped[2]}" if stopped else "it ends too early")
    start = ("/events" if walk.was_list and walk.levels else "") if at is None else at
    return Fault(why, pointer(start, walk.levels) if walk.is_complete else at)


def walked(text: bytes, stop: int, deepest: int) -> Walk:
    """As far as a text is JSON, but not past a byte, a depth, or its one value."""
    walk, position = Walk(), 0
    for _ in range(MOST_TOKENS):
        found = TOKEN.match(text, position)
        if found is None or found.lastgroup is None or found.start(found.lastgroup) >= stop:
            return walk
        token = found[found.lastgroup]
        if found.lastgroup == "text" and (why := flaw(token)):
            walk.why = why
            return walk
        walk.pass_by(found.lastgroup, token)
        position = found.end()
        if not walk.levels or len(walk.levels) > deepest:
            return walk
    walk.is_complete = False
    return walk


def flaw(text: bytes) -> str:
    """What keeps a quoted text from being Unicode; empty where nothing does."""
    if b"\\u" in text and SURROGATE.search(PAIRED.sub(b"", text)):
        return "a lone surrogate"
    try:
        text.decode()
    except UnicodeDecodeError:
        return "not UTF-8"
    return ""


def pointer(start: str, levels: Sequence[Level]) -> str:
    """The way as a JSON pointer, up to the first name that must not be repeated."""
    steps = [step for step in start.split("/") if step]
    for level in levels:
        name = level.name
        if name is None or not FIELD.fullmatch(name) or len(steps) >= MOST_STEPS:
            break
        steps.append(name)
    return "".join(f"/{step}" for step in steps)
