"""Threats in web access logs: who attacks a site, by what it asks for and how it behaves.

For whoever runs a website: each request is allowed, alerted, challenged or blocked, by the rules
over its text, by what its client has done in the last minute to day, and by an isolation forest
over the same. A client is an address as the log has it.
"""

from models.pack import DomainPack
from models.packs.access.columns import TRAITS, check, columns, valid
from models.packs.access.data import simulate
from models.packs.access.events import AccessEvent
from models.packs.access.features import FEATURES
from models.packs.access.payloads import values
from models.packs.access.scoring import CANARY, MODEL_FEATURES, POLICY, RULES, TEST_CLIENTS


def client(event: AccessEvent) -> str:
    return event.client_ip


def canary(event_id: str, occurred_at: str) -> AccessEvent:
    return AccessEvent(occurred_at, CANARY, "GET", "/", 200, event_id)


PACK = DomainPack(
    name="access",
    event=AccessEvent,
    entity=client,
    columns=columns,
    valid=valid,
    check=check,
    features=FEATURES,
    rules=RULES,
    policy=POLICY,
    model_features=MODEL_FEATURES,
    simulate=simulate,
    text="path",
    traits=TRAITS,
    values=values,
    test_clients=TEST_CLIENTS,
    canary=canary,
)
