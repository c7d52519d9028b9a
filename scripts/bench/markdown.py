"""Tables as they stand in pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Found = Mapping[str, Any]
NOT_RUN = "Not measured in this run."


def table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    head = f"| {' | '.join(titles)} |\n| {' | '.join('---' for _ in titles)} |\n"
    return head + "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)
