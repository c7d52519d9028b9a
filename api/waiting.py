"""For how long a caller wants to wait: the header `Prefer: wait=N` (RFC 7240)."""

from __future__ import annotations

import re
from collections.abc import Sequence

LONGEST_WAIT_S = 30
WAIT = re.compile(r'\s*wait\s*=\s*"?([0-9]{1,9})"?\s*(?:;.*)?', re.IGNORECASE)


def preferred_wait(headers: Sequence[str]) -> int | None:
    """Seconds, at most 30; None where nothing readable is preferred: a preference never fails."""
    for header in headers:
        for preference in header.split(","):
            if found := WAIT.fullmatch(preference):
                return min(int(found[1]), LONGEST_WAIT_S)
    return None
