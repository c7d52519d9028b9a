"""A headless Chromium, told what to do over its DevTools protocol."""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from scripts.stack.settings import CannotStart

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
WITHIN_S = 60.0
LOOK_EVERY_S = 0.2
LARGEST_ANSWER = 1 << 26


@dataclass(slots=True)
class Page:
    """One page of the browser.

    Args:
        session: The browser's name for our connection to this page.
    """

    socket: ClientConnection
    session: str = ""
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def tell(self, method: str, **parameters: Any) -> Any:  # whatever the method answers
        """Raises CannotStart for what the browser refuses."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        while (answer := json.loads(self.socket.recv(WITHIN_S))).get("id") != number:
            pass  # an event of the page
        if "error" in answer:
            raise CannotStart(f"the browser refused {method}: {answer['error']['message']}")
        return answer["result"]

    def run(self, script: str) -> Any:  # what the script's last expression is worth
        """Raises CannotStart for a script that fails."""
        told = self.tell("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in told:
            raise CannotStart(f"the page has no answer to {script}: {told['exceptionDetails']}")
        return told["result"].get("value")

    def wait_for(self, script: str) -> None:
        """Until an expression is true; raises CannotStart if it does not become so."""
        deadline = time.monotonic() + WITHIN_S
        while not self.run(f"!!({script})"):
            if time.monotonic() > deadline:
                raise CannotStart(f"the page did not come to {script} within {WITHIN_S:.0f} s")
            time.sleep(LOOK_EVERY_S)

    def open(self, url: str, width: int, height: int) -> None:
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.tell("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete'")

    def picture(self, clip: dict[str, float]) -> bytes:
        """A part of the page as PNG, also of what is not in view."""
        told = self.tell(
            "Page.captureScreenshot",
            format="png",
            captureBeyondViewport=True,
            clip={**clip, "scale": 1},
        )
        return base64.b64decode(told["data"])


@contextmanager
def browser() -> Iterator[Page]:
    """An empty page of a browser that ends with the block.

    Raises:
        CannotStart: There is no Chromium on PATH.
    """
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise CannotStart(f"there is no {PROGRAMS[0]} on PATH: apt install chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [program, *_options(Path(folder))], stderr=subprocess.PIPE, text=True
        )
        try:
            with connect(_address(process), max_size=LARGEST_ANSWER) as socket:
                yield _page(socket)
        finally:
            process.terminate()
            process.communicate()


def _options(folder: Path) -> list[str]:
    options = ["--headless=new", "--remote-debugging-port=0", f"--user-data-dir={folder}"]
    options += ["--hide-scrollbars", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"]
    if os.geteuid() == 0:  # as which Chromium refuses to shut itself in
        options.append("--no-sandbox")
    return [*options, "about:blank"]


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr
    for line in process.stderr:
        if found := re.search(r"DevTools listening on (\S+)", line):
            return found[1]
    raise CannotStart(f"the browser ended with {process.wait()} before it could be asked")


def _page(socket: ClientConnection) -> Page:
    whole = Page(socket)
    target = whole.tell("Target.createTarget", url="about:blank")["targetId"]
    session = whole.tell("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    return Page(socket, session)
