"""How an application of ours is served, whatever it stands among."""

from __future__ import annotations

from typing import Any

from api.patience import PatientProtocol

LEAVE_S = 5
"""How long requests may go on after the process was told to stop."""

OPTIONS: dict[str, Any] = {  # the keywords of `uvicorn.Config`
    "loop": "uvloop",
    "http": PatientProtocol,
    "ws": "none",
    "log_config": None,
    "access_log": False,
    "server_header": False,
    "timeout_graceful_shutdown": LEAVE_S,
}
