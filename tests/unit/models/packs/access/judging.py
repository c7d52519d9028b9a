"""Streams of access events, folded and judged by the rules, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from feature_store.columns import Columns
from feature_store.kernel import WindowKernel
from models.artifacts import champion_of
from models.judging import judge
from models.packs.access import PACK
from models.packs.access.events import AccessEvent

CHAMPION = champion_of("access")
NOON = datetime(2025, 3, 3, 12, tzinfo=UTC)
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def request(
    path: str = "/",
    *,
    after_s: float = 0,
    status: int = 200,
    method: str = "GET",
    agent: str = BROWSER,
    client: str = "192.0.2.7",
    size: int = 5_000,
) -> AccessEvent:
    at = (NOON + timedelta(seconds=after_s)).isoformat()
    return AccessEvent(at, client, method, path, status, bytes=size, user_agent=agent)


def folded(events: Sequence[AccessEvent]) -> tuple[Columns, Columns]:
    """The events' columns and their clients' features."""
    kernel = WindowKernel(PACK.features)
    clients = sorted({event.client_ip for event in events})
    entity = np.array([clients.index(event.client_ip) for event in events], np.int32)
    columns = PACK.columns(events)
    features = kernel.fold([b""] * len(clients), entity, kernel.inputs(columns)).features
    return columns, Columns.of_matrix(kernel.names, features)


def fired(events: Sequence[AccessEvent]) -> set[str]:
    """Names of the rules that fired on the last event."""
    columns, feature = folded(events)
    last = judge(PACK, CHAMPION, feature, columns)[1][-1]
    return {rule.name for rule, fires in zip(PACK.rules, last, strict=True) if fires}
