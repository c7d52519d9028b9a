"""`python -m api`: serve the API until told to stop."""

from __future__ import annotations

import uvicorn

from api.serving import OPTIONS
from api.settings import ApiSettings
from api.wiring import build
from producer.settings import Connections
from stream_agents import journal
from stream_agents.heap import settle_the_collector


def main() -> None:
    settings = ApiSettings()
    journal.configure("api", settings.log_level)
    app = build(settings, Connections())
    settle_the_collector(young=10_000)
    uvicorn.run(app, host=settings.host, port=settings.port, **OPTIONS)


if __name__ == "__main__":
    main()
