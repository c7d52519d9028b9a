"""Take the documentation's pictures of the running app.

python -m scripts.pictures                 all of them, into docs/images
python -m scripts.pictures explain replay  some of them

Where no `make up` runs, one is started and ended. Needs Chromium on PATH for the API's page.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from scripts import door
from scripts.pictures import api_page, scenes, shell
from scripts.stack.settings import ROOT, CannotStart, LocalStack

IMAGES = ROOT / "docs" / "images"
API = "api"
UP_WITHIN_S = 300.0


def main(wanted: list[str]) -> None:
    settings = LocalStack()
    shots = scenes.scenes(settings)
    names = [*scenes.ALONE, API, *shots]
    if unknown := set(wanted) - set(names):
        raise CannotStart(f"no picture {', '.join(sorted(unknown))}: there is {', '.join(names)}")
    IMAGES.mkdir(parents=True, exist_ok=True)
    runs = door.is_ready(settings.api)
    chosen = [name for name in names if name in wanted or not wanted]
    for name in [name for name in chosen if name in scenes.ALONE]:
        chosen.remove(name)
        if runs:
            print(f"{name}: left out, it needs the ports of the stack that runs")
        else:
            print(name, flush=True)
            shell.take(scenes.ALONE[name], IMAGES / f"{name}.svg")
    if chosen:
        with nullcontext() if runs else stack(settings):
            take(settings, shots, chosen)


def take(settings: LocalStack, shots: dict[str, shell.Shot], chosen: list[str]) -> None:
    scenes.prepare(settings)
    for name in chosen:
        print(name, flush=True)
        if name == API:
            api_page.take(settings.api, IMAGES)
        else:
            shell.take(shots[name], IMAGES / f"{name}.svg")


@contextmanager
def stack(settings: LocalStack) -> Iterator[None]:
    """`make up` for as long as the pictures take."""
    settings.log("pictures").parent.mkdir(parents=True, exist_ok=True)
    with settings.log("pictures").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "scripts.cli", "up"], cwd=ROOT, stdout=log, stderr=log
        )
        try:
            _await_detection(settings, process)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def _await_detection(settings: LocalStack, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + UP_WITHIN_S
    log = settings.log("pictures")
    while "Ctrl-C stops everything" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise CannotStart(f"there is no stack to take pictures of (see {log})")
        time.sleep(1)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except CannotStart as error:
        sys.exit(f"pictures: {error}")
