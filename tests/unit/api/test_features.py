"""Reading an entity's features: now, then, and as of its newest event."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.fence import StoreUnavailable
from feature_store.kernel import WindowKernel
from models.catalog import pack_named
from models.packs.access.events import AccessEvent
from producer.partitioning import partition_of
from tests.unit.api.loopback import PARTITIONS, Api, States, api

CLIENT = "2001:db8::7"
PACK = pack_named("access")
COUNT = "client_requests_count_1m"


@pytest.fixture
def to() -> Api:
    events = [
        AccessEvent(f"2026-11-21T03:00:{second:02}Z", CLIENT, "GET", "/", 200)
        for second in (0, 10, 50)
    ]
    kernel = WindowKernel(PACK.features)
    inputs = kernel.inputs(PACK.columns(events))
    [state] = kernel.fold([b""], np.zeros(3, np.int32), inputs).states
    return api(states=States({(partition_of(CLIENT, PARTITIONS), CLIENT): state}))


@pytest.mark.parametrize(
    ("at", "said", "count"),
    [
        ("latest", "2026-11-21T03:00:50.000Z", 3),
        ("2026-11-21T03:01:00Z", "2026-11-21T03:01:00.000Z", 2),
        ("2026-11-21T04:01:30.5%2B01:00", "2026-11-21T03:01:30.500Z", 1),
        ("2026-11-21T03:01:50Z", "2026-11-21T03:01:50.000Z", 0),
    ],
)
async def test_features_are_as_of_the_time_asked_for(
    to: Api, at: str, said: str, count: int
) -> None:
    answer = await to.client.get(f"/v1/features/access/{CLIENT}?at={at}")

    body = answer.json()
    assert answer.status_code == 200
    assert (body["pack"], body["entity"], body["at"]) == ("access", CLIENT, said)
    assert body["features"][COUNT] == count
    assert tuple(body["features"]) == PACK.features.names


async def test_features_are_as_of_now_by_default(to: Api) -> None:
    body = (await to.client.get(f"/v1/features/access/{CLIENT}")).json()

    assert body["at"] > "2025"


async def test_what_is_unknown_is_null(to: Api) -> None:
    at = "2027-11-21T03:00:00Z"
    body = (await to.client.get(f"/v1/features/access/{CLIENT}?at={at}")).json()

    assert body["features"]["client_errors_share_10m"] is None


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("access/203.0.113.9", 404, "unknown-entity"),
        (f"nothing/{CLIENT}", 404, "unknown-pack"),
        (f"access/{CLIENT}?at=yesterday", 400, "invalid-parameter"),
        (f"access/{CLIENT}?at=", 400, "invalid-parameter"),
        (f"access/{CLIENT}?at=-99999999999", 400, "invalid-parameter"),
        (f"access/{CLIENT}?at=0001-01-01T00:00:00%2B14:00", 400, "invalid-parameter"),
    ],
)
async def test_what_cannot_be_read_is_a_problem(to: Api, path: str, status: int, kind: str) -> None:
    answer = await to.client.get(f"/v1/features/{path}")

    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{kind}")


@pytest.mark.parametrize("at", ["latest", "2026-11-21T03:01:00Z"])
async def test_a_state_of_another_declaration_is_unavailable(at: str) -> None:
    to = api(states=States({(partition_of("a", PARTITIONS), "a"): b"\x01\x00\x00\x00 and more"}))
    answer = await to.client.get(f"/v1/features/access/a?at={at}")

    assert answer.status_code == 503


async def test_a_store_that_is_away_is_unavailable() -> None:
    class Away(States):
        async def state(self, partition: int, entity: str) -> bytes | None:
            raise StoreUnavailable("redis: gone")

    answer = await api(states=Away()).client.get("/v1/features/access/a")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
