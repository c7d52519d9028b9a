"""A command as a reader would type it, run in a terminal of its own, and its screen as SVG."""

from __future__ import annotations

import codecs
import fcntl
import io
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME
from rich.text import Text

from scripts.pictures.screen import Screen
from scripts.stack.settings import ROOT, CannotStart

WIDTH = 104
SETTLED_S = 1.5
ACT_EVERY_S = 4.0
LOOK_EVERY_S = 0.1
END_WITHIN_S = 60.0

SVG = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; white-space: pre;
}}
.{unique_id}-title {{ font-size: 16px; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""Rich's own format without its font from the network, which pages do not let a picture load."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A command and when to look at its screen.

    Args:
        command: What a shell is given, and what the picture shows that it was given.
        shows: Until this pattern is on the screen; empty for the command's end.
        meanwhile: Done now and then until the pattern is there, such as to send events.
        within_s: Until when it has to be there.
        rows: The picture ends after so many.
        width: Of the terminal, in columns.
    """

    command: str
    shows: str = ""
    meanwhile: Callable[[], None] | None = None
    within_s: float = 120.0
    rows: int = 60
    width: int = WIDTH


def take(shot: Shot, to: Path) -> None:
    """Run the command and keep its screen.

    Raises:
        CannotStart: It ended with nothing to show, or did not show it in time.
    """
    screen = Screen(shot.width)
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 50, shot.width, 0, 0))
    process = subprocess.Popen(
        ["sh", "-c", shot.command],
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": str(shot.width)},
        stdin=child,
        stdout=child,
        stderr=child,
        start_new_session=True,
    )
    os.close(child)
    try:
        _watch(shot, process, parent, screen)
    finally:
        _end(process)
        os.close(parent)
    to.write_text(svg(shot.command, screen.lines()[: shot.rows], shot.width))


def svg(command: str, lines: list[str], width: int = WIDTH) -> str:
    """A light picture of a terminal."""
    console = Console(record=True, width=width, file=io.StringIO(), highlight=False)
    console.print(Text(f"$ {command}", style="bold"), soft_wrap=False)
    for line in lines:
        console.print(Text.from_ansi(line), soft_wrap=True)
    drawn = console.export_svg(
        title="", theme=DEFAULT_TERMINAL_THEME, code_format=SVG, unique_id="shell"
    )
    return "".join(f"{line.rstrip()}\n" for line in drawn.splitlines())


def without_folder(written: str) -> str:
    """Paths of this checkout as seen from its folder: a reader's stands elsewhere."""
    return written.replace(f"{ROOT}/", "")


def _watch(shot: Shot, process: subprocess.Popen[bytes], terminal: int, screen: Screen) -> None:
    """Read the terminal until what is wanted is there, and for a moment longer."""
    deadline, act_at = time.monotonic() + shot.within_s, time.monotonic()
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while time.monotonic() < deadline:
        written = _read(terminal)
        if written is None:
            break
        screen.feed(without_folder(decoder.decode(written)))
        if shot.shows and _is_seen(shot.shows, screen):
            deadline, act_at = min(deadline, time.monotonic() + SETTLED_S), deadline
            if not shot.meanwhile:
                return
        elif shot.meanwhile and time.monotonic() >= act_at:
            shot.meanwhile()
            act_at = time.monotonic() + ACT_EVERY_S
    if not (_is_seen(shot.shows, screen) and screen.text().strip()):
        raise CannotStart(f"{shot.command}: did not show {shot.shows!r} but {screen.text()[-300:]}")


def _is_seen(pattern: str, screen: Screen) -> bool:
    return bool(re.search(pattern, screen.text().replace("\n", "")))  # also across a row's end


def _read(terminal: int) -> bytes | None:
    """What is there, perhaps nothing; None when the program has gone."""
    ready, _, _ = select.select([terminal], [], [], LOOK_EVERY_S)
    if not ready:
        return b""
    try:
        return os.read(terminal, 65536) or None
    except OSError:  # Linux says so of a terminal without a program
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C would."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(END_WITHIN_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
