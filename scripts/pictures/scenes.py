"""What there is a picture of, each by the command that a reader would give."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from models.packs.access.data import combined_line, simulate
from scripts import door
from scripts.pictures.api_page import body
from scripts.pictures.shell import Shot
from scripts.stack.settings import ROOT, LocalStack

CENTINELA = ".venv/bin/centinela"
EVENTS = 40_000
RATE = 5_000
FOLDER = Path(".centinela/pictures")
LOGS = (FOLDER / "access.log", FOLDER / "more.log")
SEEDS = (11, 12)
UNREADABLE = "198.51.100.9 - - - this line is cut off"
ASKED_ABOUT = {
    "event_id": "web-1-42",
    "occurred_at": "2025-03-03T12:00:00Z",
    "client_ip": "203.0.113.7",
    "method": "GET",
    "path": "/item?id=1%27%20OR%201=1--",
    "status": 200,
}

ALONE = {
    "demo": Shot(f"{CENTINELA} demo --once", within_s=300, width=96),
    "up": Shot("make up", shows="Ctrl-C stops everything", within_s=300, width=96),
}
"""Those that want the ports for themselves."""


def scenes(settings: LocalStack) -> dict[str, Shot]:
    """By the picture's name, in the order in which they are taken: on a stack that runs."""
    send = _sender(settings)
    return {
        "replay": Shot(f"{CENTINELA} replay {LOGS[0]} --shift-to now"),
        "replay-running": Shot(
            f"{CENTINELA} replay {LOGS[1]} --shift-to now --rate {RATE}", shows=r" [4-9]\d% "
        ),
        "dead-letters": Shot(f"{CENTINELA} dead-letters list -n 3"),
        "decisions": Shot(f"{CENTINELA} decisions list -n 3", width=150),
        "explain": Shot(f"{CENTINELA} explain web-1-42"),
        "status": Shot(f"{CENTINELA} status"),
        "topic-events": _consume(settings, "events.access", r'"path":"/products/42"', send),
        "topic-decisions": _consume(settings, "decisions.access", r"203.0.113.40", send),
        "topic-actions": _consume(settings, "actions.access", r"203.0.113.40", send),
        "topic-dead-letter": _consume(
            settings, "dead-letter", "cut off", lambda: None, " --from-beginning --max-messages 1"
        ),
        "watch": Shot(f"{CENTINELA} topics watch actions.access", r'"allow"', meanwhile=send),
    }


def prepare(settings: LocalStack) -> None:
    """Logs with one line that cannot be read, and an event to ask about."""
    (ROOT / FOLDER).mkdir(parents=True, exist_ok=True)
    for log, seed in zip(LOGS, SEEDS, strict=True):
        with (ROOT / log).open("w") as lines:
            for event, _ in simulate(seed, EVENTS):
                lines.write(f"{combined_line(event)}\n")
            lines.write(f"{UNREADABLE}\n")
    door.send("POST", f"{settings.api}/analyze", {"events": [ASKED_ABOUT]})


def _sender(settings: LocalStack) -> Callable[[], None]:
    def send() -> None:
        door.send("POST", f"{settings.api}/analyze", body(datetime.now(UTC)))

    return send


def _consume(
    settings: LocalStack,
    topic: str,
    shows: str,
    meanwhile: Callable[[], None],
    options: str = "",
) -> Shot:
    consumer = f"scripts/kafka-console-consumer --bootstrap-server {settings.kafka}"
    return Shot(f"{consumer} --topic {topic}{options}", shows, meanwhile)
