"""Log lines as they leave a process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

SCRIPT = """
import logging
import structlog
from stream_agents import journal

journal.configure("api")
log = structlog.get_logger("x")
log.info("request", trace="a\\r\\nb\\x1b\\x9b\\u2028", summary={"events": 1})
log.debug("not told")
for _ in range(3):
    logging.getLogger("uvicorn.error").info("Started %s", "server")
logging.getLogger("faust.worker").info("not told")
try:
    secret = "payload"
    1 / 0
except ZeroDivisionError:
    log.exception("fault")
"""


def lines() -> list[dict[str, Any]]:
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert "payload" not in run.stdout
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_every_line_is_one_json_object_and_none_is_repeated() -> None:
    ours, library, fault = lines()

    assert (ours["event"], ours["process"], ours["level"]) == ("request", "api", "info")
    assert (ours["trace"], ours["summary"]) == ("a\r\nb\x1b\x9b\u2028", {"events": 1})
    assert (library["event"], library["logger"]) == ("Started server", "uvicorn.error")
    assert library["process"] == "api"
    assert fault["exception"][0]["exc_type"] == "ZeroDivisionError"
