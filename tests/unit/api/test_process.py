"""The API's process, up to where it begins to serve."""

from __future__ import annotations

import subprocess
import sys

SERVED = """
import gc
import uvicorn
from api.__main__ import main

def run(*_, **__):
    gc.collect()
    print("looked through", len(gc.get_objects()), "of", gc.get_freeze_count())

uvicorn.run = run
main()
"""


def test_garbage_is_not_looked_for_among_the_modules() -> None:
    served = subprocess.run(
        [sys.executable, "-c", SERVED], timeout=120, capture_output=True, text=True, check=True
    )
    *_, some, _, all_of_them = served.stdout.split()

    assert int(all_of_them) > 100_000
    assert int(some) < int(all_of_them) / 100
