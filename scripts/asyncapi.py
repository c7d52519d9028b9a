"""The topics as an AsyncAPI 3.0 document, from the types that are read and written on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from api.description import with_descriptions
from api.event_limits import LIMITS
from models.catalog import PACKS
from models.contracts import ActionTaken, ScoredEvent
from models.pack import DomainPack
from producer.dead_letters import AS, RETRIED
from producer.records import DEAD_LETTER, actions_topic, decisions_topic, events_topic
from producer.settings import Connections
from producer.topics import DEAD_LETTER_RETENTION, OUTCOME_BYTES, RECORD_BYTES, RETENTION

Document = dict[str, Any]

REF = "#/components/schemas/{name}"
NDJSON = "application/x-ndjson"
PORT = Connections.model_fields["kafka_port"].default

CARRIED: Mapping[str, str] = {
    "batch": "Id of an /analyze batch or of a replay.",
    "part": "Number of this record within its batch: 0, 1, ...",
    "reply": "Id of the API process to notify; only for /analyze.",
    "trace": "Correlation id, the request's X-Request-ID.",
}
SOURCE: Mapping[str, str] = {
    "source-epoch": "Id of the topic that the source record was read from.",
    "source-offset": "The source record's offset there.",
    "arrived": "Kafka's time of the events record behind it, milliseconds since 1970.",
}
BURIED: Mapping[str, str] = {
    "topic": "Where the line stood; for a line of a replayed file, the file's name.",
    "partition": "Likewise; absent for a line of a file.",
    "offset": "Likewise; absent for a line of a file.",
    "line": "Within its record from 0, within a file from 1.",
    "error": "Class of the error.",
    "reason": "In words.",
}
NOTED: Mapping[str, str] = {
    RETRIED: "The letter's partition and offset, `0:17`.",
    AS: "Where its line was put back, `events.access 2-58`.",
}
"""Header to what it holds; values are text in UTF-8."""


def document() -> Document:
    """All topics of all packs, and who writes and reads them."""
    channels = {name: channel for pack in PACKS for name, channel in channels_of(pack).items()}
    channels["deadLetter"] = channel(DEAD_LETTER, "What can never be judged.", ("letter", "note"))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Centinela",
            "version": "1",
            "description": "Every record holds one or more lines, one JSON object each, with no "
            "line end after the last; the schemas are those of a line. One events record gives "
            "one decisions record and one actions record, on the same partition, line by line. "
            "A record may stand twice on decisions and actions: of a source-epoch, source-offset "
            "and partition the first counts. Fields may be added; readers skip what they do not "
            "know.",
        },
        "servers": {"local": {"host": f"127.0.0.1:{PORT}", "protocol": "kafka"}},
        "channels": channels,
        "operations": operations(),
        "components": {"messages": messages(), "schemas": schemas()},
    }


def channels_of(pack: DomainPack) -> Document:
    name = pack.name
    return {
        f"{name}Events": channel(events_topic(name), "What happened.", (f"{name}Event",)),
        f"{name}Decisions": channel(
            decisions_topic(name), "Scored events, awaiting their action.", ("scored",)
        ),
        f"{name}Actions": channel(actions_topic(name), "The final answers.", ("action",)),
    }


def channel(topic: str, text: str, named: Iterable[str]) -> Document:
    is_dead = topic == DEAD_LETTER
    kept = DEAD_LETTER_RETENTION if is_dead else RETENTION
    limit = RECORD_BYTES if topic.startswith(events_topic("")) else OUTCOME_BYTES
    return {
        "address": topic,
        "description": text,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in named},
        "bindings": {
            "kafka": {
                "partitions": 1 if is_dead else Connections.model_fields["partitions"].default,
                "topicConfiguration": {
                    "cleanup.policy": ["delete"],
                    "retention.ms": int(kept.total_seconds() * 1_000),
                    "max.message.bytes": limit,
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def operations() -> Document:
    """From where Centinela stands: it receives events, and sends what it makes of them."""
    made: Document = {"bury": operation("send", "deadLetter", "Set a line aside.")}
    for pack in PACKS:
        name, title = pack.name, pack.name.title()
        made |= {
            f"ingest{title}": operation("receive", f"{name}Events", "Score events."),
            f"score{title}": operation("send", f"{name}Decisions", "Hand scored events on."),
            f"decide{title}": operation("receive", f"{name}Decisions", "Choose an action."),
            f"act{title}": operation("send", f"{name}Actions", "Tell what to do."),
        }
    return made


def operation(action: str, channel: str, summary: str) -> Document:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": f"#/channels/{channel}"},
    }


def messages() -> Document:
    events = {
        f"{pack.name}Event": message(pack.event.__name__, "An event.", CARRIED) for pack in PACKS
    }
    return {
        **events,
        "scored": message("ScoredEvent", "An event's outcome.", {**CARRIED, **SOURCE}),
        "action": message("ActionTaken", "The answer about an event.", {**CARRIED, **SOURCE}),
        "letter": raw_message("A line that can never be judged, byte by byte.", BURIED),
        "note": raw_message("That a letter was put back; it has no value.", NOTED),
    }


def message(struct: str, summary: str, headers: Mapping[str, str]) -> Document:
    payload = {"$ref": REF.format(name=struct)}
    return {
        "summary": summary,
        "contentType": NDJSON,
        "headers": headers_of(headers),
        "payload": payload,
    }


def raw_message(summary: str, headers: Mapping[str, str]) -> Document:
    return {
        "summary": summary,
        "contentType": "application/octet-stream",
        "headers": headers_of(headers),
        "payload": {"type": "string"},
    }


def headers_of(named: Mapping[str, str]) -> Document:
    texts = {name: {"type": "string", "description": about} for name, about in named.items()}
    return {"type": "object", "properties": texts}


def schemas() -> Document:
    structs = [*(pack.event for pack in PACKS), ScoredEvent, ActionTaken]
    _, components = msgspec.json.schema_components(structs, ref_template=REF)
    described = {name: with_descriptions(schema) for name, schema in components.items()}
    for name, limits in LIMITS.items():
        for field, limit in limits.items() if name in described else ():
            described[name]["properties"][field] |= limit
    return described
