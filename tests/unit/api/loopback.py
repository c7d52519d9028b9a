"""A pipeline of ours in one function: it answers every event at once, or when it is told to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import httpx
import msgspec

from api.app import Surroundings, create_app
from api.decisions import Explaining
from api.health import Check
from api.settings import ApiSettings
from models.catalog import PACKS
from models.contracts import ActionTaken
from models.packs.access.events import AccessEvent
from producer.partitioning import partition_of
from producer.records import OutRecord
from stream_agents.answers import Answer, MemoryResults, Replies
from stream_agents.idempotency import IdempotencyStore, MemoryIdempotency
from stream_agents.regimes import MemoryRegimes, RegimeStore

PARTITIONS = 4
REPLY = "api-1"


def clients_of(partition: int, number: int = 2) -> list[str]:
    """The first addresses that live on a partition."""
    addresses = (f"203.0.113.{last}" for last in range(256))
    on_it = (client for client in addresses if partition_of(client, PARTITIONS) == partition)
    return list(islice(on_it, number))


CLIENTS = [client for partition in range(PARTITIONS) for client in clients_of(partition)]


def taken(event: AccessEvent) -> ActionTaken:
    """Blocks who asks for `.env`, and allows the rest."""
    return ActionTaken(
        event.event_id,
        "decided",
        "block" if event.path == "/.env" else "allow",
        event.client_ip,
        event.occurred_at,
        score=0.25,
    )


def answer_to(value: bytes, headers: Mapping[str, bytes]) -> Answer:
    events = msgspec.json.Decoder(AccessEvent).decode_lines(value)
    lines = msgspec.json.Encoder().encode_lines([taken(event) for event in events])
    batch, part, reply = (headers[name].decode() for name in ("batch", "part", "reply"))
    return Answer(batch, part, reply, lines)


class LoopBack:
    """A publisher with the agents behind it.

    Args:
        is_held: Keep the records until `release`.
    """

    def __init__(self, results: MemoryResults, is_held: bool = False) -> None:
        self.results = results
        self.is_held = is_held
        self.sent: list[OutRecord] = []

    async def send(self, records: Sequence[OutRecord]) -> None:
        self.sent += records
        if not self.is_held:
            await self.release(records)

    async def release(self, records: Sequence[OutRecord]) -> None:
        answers = [answer_to(record.value, dict(record.headers)) for record in records]
        await self.results.write(answers)


class States:
    """A store of entities' states, by partition and entity."""

    def __init__(self, states: Mapping[tuple[int, str], bytes] | None = None) -> None:
        self.states = states or {}

    async def state(self, partition: int, entity: str) -> bytes | None:
        return self.states.get((partition, entity))


@dataclass(frozen=True, slots=True)
class Api:
    client: httpx.AsyncClient
    publisher: LoopBack


def api(
    settings: ApiSettings | None = None,
    *,
    is_held: bool = False,
    states: States | None = None,
    checks: Mapping[str, Check] | None = None,
    regimes: RegimeStore | None = None,
    explaining: Explaining | None = None,
) -> Api:
    """The application on a loop-back, asked in this process."""
    publisher = LoopBack(MemoryResults(), is_held)
    return api_on(
        publisher,
        settings,
        states=states,
        checks=checks,
        regimes=regimes,
        explaining=explaining,
    )


def api_on(
    publisher: LoopBack,
    settings: ApiSettings | None = None,
    *,
    states: States | None = None,
    checks: Mapping[str, Check] | None = None,
    replies: Replies | None = None,
    regimes: RegimeStore | None = None,
    explaining: Explaining | None = None,
    keys: IdempotencyStore | None = None,
) -> Api:
    """The application on a publisher, with other surroundings where they are given."""
    around = Surroundings(
        publisher=publisher,
        replies=replies or publisher.results.replies(REPLY),
        packs={pack.name: pack for pack in PACKS},
        stores={pack.name: states or States() for pack in PACKS},
        partitions=PARTITIONS,
        checks=checks or {},
        regimes={pack.name: regimes or MemoryRegimes() for pack in PACKS},
        explaining={explaining.pack.name: explaining} if explaining else {},
        keys=keys or MemoryIdempotency(),
    )
    transport = httpx.ASGITransport(create_app(settings or ApiSettings(), around))
    return Api(httpx.AsyncClient(transport=transport, base_url="http://api"), publisher)


def event(number: int = 0, **changes: object) -> dict[str, object]:
    """An event of one of eight clients, two on each partition."""
    usual = {
        "event_id": f"event-{number}",
        "occurred_at": "2026-11-21T03:00:00Z",
        "client_ip": CLIENTS[number % len(CLIENTS)],
        "method": "GET",
        "path": "/",
        "status": 200,
    }
    return {**usual, **changes}
