"""`python -m api`: serve the API until told to stop."""

from __future__ import annotations

import uvicorn

from api.settings import ApiSettings
from api.wiring import build
from producer.settings import Connections
from stream_agents import journal

LEAVE_S = 5
"""How long requests may go on after the process was told to stop."""


def main() -> None:
    settings = ApiSettings()
    journal.configure("api", settings.log_level)
    uvicorn.run(
        build(settings, Connections()),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=LEAVE_S,
    )


if __name__ == "__main__":
    main()
